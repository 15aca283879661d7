"""The functions of the rule language by name. LANGUAGE.md has an example of each; a test holds the two together."""

FOLDS = {
    "max": "largest of several points",
    "min": "smallest of several points",
    "mean": "mean of several points",
    "sum": "sum of several points",
    "median": "median of several points",
    "imbalance": "100 * greatest deviation from the mean / mean, in % (NEMA MG-1)",
    "count": "how many hold a condition, or are known",
}
ELEMENTWISE = {
    "abs": "size without sign",
    "min": "smaller of two values",
    "max": "larger of two values",
    "sqrt": "square root",
    "ln": "natural logarithm of a plain number",
    "exp": "e to a plain number",
    "pow": "a plain number to a constant power",
    "given": "a value where a condition is true, else not known",
    "uncertainty": "one standard deviation of a derived point",
}
WINDOWS = {
    "min_over": "smallest value within a duration",
    "max_over": "largest value within a duration",
    "mean_over": "mean within a duration",
    "std_over": "standard deviation within a duration",
    "slope": "least-squares slope within a duration, over time or against another value",
    "correlation": "Pearson's correlation of two values within a duration",
    "increase": "what a counter grew within a duration, resets understood",
    "rate": "increase / duration",
    "changes": "times that a value changed within a duration",
    "swings": "turning points of at least an amplitude within a duration",
    "count_over": "times that a condition became true, or an event came, within a duration",
    "flat": "whether a value has not changed at all for a duration",
    "lag": "the value a duration ago",
    "ewma": "exponentially weighted mean with a time constant",
    "baseline": "mean of the first duration in which a value was known, then for good",
    "cusum": "integral over time of what a value exceeds a slack, never below 0 (Page's CUSUM)",
}
LIFE = {
    "age": "s since the point's last life sign",
    "stale_after": "s without a life sign after which the point is not known",
    "source_silence": "s since anything came from the point's source",
    "heartbeat_age": "s since the heartbeat that covers the point, 0 where none does",
    "bad_for": "s for which the point has had only bad or null readings",
}
PEERS = {
    "peer_median": "median over the peers behind the same asset",
    "peer_min": "smallest among the peers",
    "peer_max": "largest among the peers",
    "peer_mean": "mean over the peers",
    "peer_z": "distance from the peers' median in robust standard deviations",
}
NOVELTY = {"novelty": "how far several points together are from the asset's own normal; 1 is its edge"}

FUNCTIONS = {**FOLDS, **ELEMENTWISE, **WINDOWS, **LIFE, **PEERS, **NOVELTY}
