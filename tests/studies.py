"""A small study, as tests of several kinds describe it."""

STUDY = """
runs = 2
properties = ["stellar_mass_density", "stellar_metallicity"]

[study]
name = "A small study"

[sample]
test_fraction = 0.4

[inputs]
bands = { features = ["bands"] }
HE = { features = ["bands"], columns = ["HE"] }

[estimators.LR]
estimator = "linear"

[estimators.RF]
estimator = "random_forest"
n_trees = 2
n_jobs = 1

[estimators.NET]
estimator = "some_network"
plugin = "euclid_resolved_some_network"
"""


def study_file(folder, parts, text=STUDY):
    folder.mkdir(exist_ok=True)
    path = folder / "study.toml"
    blocks = [f'[[parts]]\nlabel = "{label}"\n{body}\n' for label, body in parts.items()]
    path.write_text(text + "\n" + "\n".join(blocks))
    return path
