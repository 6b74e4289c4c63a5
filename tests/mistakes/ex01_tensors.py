"""Answers that learners give to the exercises of notebook 01, and what the reply to each must say."""

MISTAKES = {
    "standardize": {
        "one mean over everything": (lambda x: (x - x.mean()) / x.std(), "`dim=0` runs down the rows"),
        "each row instead of each column": (lambda x: ((x.T - x.mean(dim=1)) / x.std(dim=1)).T, "is .*, expected"),
        "the variance": (lambda x: (x - x.mean(dim=0)) / x.var(dim=0), "divided by the variance"),
        "only the mean": (lambda x: x - x.mean(dim=0), "dividing by `x.std"),
    },
}
