"""Metrics as `evaluate.Metric` subclasses of the package: nothing is downloaded, nothing is fetched as code.

A ratio that is undefined on the data (a class nobody predicted, one class only) is said to be so: it is left out of the
`scalars` and named in `undefined`. It is never 0, and never NaN.
"""
