"""Checks that MLflow holds the versions that the ledger knows, no others, and the files that were logged."""

from collections.abc import Iterator

from flows.retrain import known_runs, logging_lock
from flows.site import Site
from records.check import Check
from records.generation import Generation


def versions(site: Site, repair: bool) -> Iterator[Check]:
    """Look for versions that MLflow has lost, or that the ledger does not know; discard those a crash left."""
    if repair and (gone := _discard(site)):
        said = f"the ledger did not know version {', '.join(gone)}"
        yield Check("versions", True, said, repaired="discarded it: a crash had left it")
    found = site.registry.versions(site.model)
    known = {generation.version for generation in site.ledger.generations.all(site.model)}
    if lost := sorted(known - found, key=int):
        yield Check("versions", False, f"MLflow has lost version {', '.join(lost)}", "restore MLflow from its backup")
    if strange := sorted(found - known, key=int):
        advice = "--repair, or the next generation, discards what a crash left; the rest was made by hand"
        yield Check("versions", False, f"the ledger does not know version {', '.join(strange)}", advice)
    if not lost and not strange:
        yield Check("versions", True, f"{len(known)} in MLflow, as on the ledger")


def _discard(site: Site) -> tuple[str, ...]:
    with logging_lock(site):
        number = site.ledger.generations.next_number(site.model)
        return site.registry.discard(site.model, up_to=number, known=known_runs(site))


def model(site: Site, repair: bool) -> Iterator[Check]:
    """Look whether the champion's files in MLflow are those that were logged; nothing of them is loaded."""
    champion = site.champion()
    said = f"the files of generation {champion.number}, version {champion.version},"
    unknown = [one for one in site.ledger.generations.all(site.model) if not one.digest and one.status != "rejected"]
    if champion.digest and site.registry.digest(champion) != champion.digest:
        advice = "restore them from MLflow's backup, or `driftloop promote` another generation"
        yield Check("model", False, f"{said} are not those that were logged, and are not loaded", advice)
    elif not unknown:
        yield Check("model", True, f"{said} are those that were logged")
    elif repair:
        for one in unknown:
            site.ledger.generations.note_digest(site.model, one.number, site.registry.digest(one))
        done = "noted it as their files are now"
        yield Check("model", True, _undigested(unknown), repaired=done)
    else:
        advice = "they are loaded unchecked; --repair notes it as their files are now, if you trust them"
        yield Check("model", False, _undigested(unknown), advice)


def _undigested(unknown: list[Generation]) -> str:
    numbers = ", ".join(str(one.number) for one in unknown)
    return f"an older Driftloop logged generation {numbers}, whose files have no digest on the ledger"
