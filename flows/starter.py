"""The commented `driftloop.toml` that `driftloop init` writes."""

STARTER = """\
# One monitored model. Every key that is commented out shows its default.
# Secrets never stand here: DRIFTLOOP_LABEL_STUDIO_TOKEN, and any URL with a password
# (DRIFTLOOP_TABLE__URL, DRIFTLOOP_SERVICES__LEDGER), come from the environment.

model = "{model}"                     # its name in MLflow, Label Studio and Prefect

[table]                               # where production rows arrive
url = "production.parquet"            # a Parquet file or folder, a CSV file, duckdb:///file.db, sqlite:///file.db,
                                      # postgresql://user@host/database, or spark://local[*]/production.parquet
# name = "flights"                    # the table's name, for databases
row_key = "row_key"                   # a column that is different in every row
time = "time"                         # when the row happened; without a time zone it is taken as UTC

[columns]
target = "target"                     # in the training data; not needed in the production table
task = "classification"               # or "regression"
classes = ["no", "yes"]               # in this order; leave it out for a regression
numeric = ["amount"]
categorical = ["channel"]             # booleans belong here
# datetime = ["signed_up"]            # counted in days before the row's own time
# text = ["note"]                     # free text: its length and its words count
# pii = ["iban"]                      # features whose values people and reports never see
# units = {{ amount = "EUR" }}          # shown to labelers

[windows]
# length_hours = 168                  # one week
# anchor = 2024-01-01T00:00:00Z       # windows start here, and every length_hours before and after
# delay_hours = 0                     # how long to wait for late rows after a window has ended
# catch_up = 6                        # to how many missed windows a scheduled run goes back first

[alarms]
# false_alarms_per_year = 1           # what you are willing to be woken for when nothing happened
# minimum_effect = 0.1                # in snapshot standard deviations (or share moved, for categories)
# sample_rows = 50000                 # rows of a window that the statistics look at; facts use every row
# tests = {{}}                          # Evidently's test per column, such as {{ amount = "ks" }}; else its choice

[labels]
question = "Is this transaction fraudulent?"   # what a labeler is asked about each row
# budget = 200                        # labels per request; only one request is open at a time
# audit_share = 0.5                   # of the budget: random rows that judge; the others teach
# rounds = 3                          # rows that judge come in up to so many rounds, and stop once it is decided
# reason = "doubt"                    # what makes a row worth learning from: doubt, margin or entropy
# weekly_budget = 400                 # labels that may be asked in seven days (unset: no limit)
# price = 0.0                         # of one label, in the currency below; `driftloop status` adds it up
# currency = ""
# overlap = 1                         # how many people answer each row
# complete_share = 0.9                # learn when this share is answered or skipped ...
# patience_days = 14                  # ... or this long after it was asked, if something is answered
# poll_minutes = 60                   # how often the deployed `learn` looks for answers
# gold_share = 0.0                    # rows with a known answer asked on top, to see how well people answer
# suggest = 0.0                       # share of the rows that come with the model's answer filled in
# show_reason = false                 # tell labelers why a row was drawn; it may sway them
# second_look = true                  # ask once more about rows that people disagree on

[training]
# estimators = ["random_forest", "extra_trees", "linear", "boosting"]    # also "neighbors", "support_vectors"
# loss = "brier"                      # brier, log, zero_one, cost; for a regression squared, absolute
# serving = "accelerated"             # or "stock": models that need scikit-learn alone
# holdout_share = 0.25                # of the training data, by a hash of the row key
# harm_tolerance = 0.005              # a loss increase that does not matter
# balance = false                     # true: every class counts the same while a model learns and is chosen
# cores = 2                           # what training may use (unset: all cores)
# max_rows = 1000000                  # learn from a random sample of the training data (unset: all of them)

[gate]                                # when a challenger replaces the champion
# margin = 0.0                        # it must gain more than this on the drifted slices
# tolerance = 0.005                   # it must not lose more than this on the old holdout
# minimum_labels = 30                 # audit labels that must gain, below which nothing is promoted
# alpha = 0.05                        # chance that a challenger that is no better is promoted
# bias_limit = 0.1                    # its mean prediction may not clearly be further than this from the answers
# groups = []                         # categorical columns; no value of them may clearly lose by it
# memory_share = 0.2                  # of decided windows' audit labels: kept to notice what a challenger forgets
# approval = "automatic"              # "manual" waits for `driftloop promote`, or the tag `approved` in MLflow
# shadow = true                       # a challenger kept out predicts later windows too, for information only

[services]
# folder = ".driftloop"               # snapshots, batch samples and reports
# ledger = "sqlite:///.driftloop/ledger.db"    # postgresql+psycopg://… for more than one worker
# mlflow = "http://127.0.0.1:5000"
# label_studio = "http://127.0.0.1:8080"
"""


def starter(model: str) -> str:
    """Return the text of a new `driftloop.toml`.

    >>> print(starter("fraud").splitlines()[4])
    model = "fraud"                     # its name in MLflow, Label Studio and Prefect
    """
    return STARTER.format(model=model)
