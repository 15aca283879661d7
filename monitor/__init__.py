"""The path of a reading: collect -> detect -> gate -> incident -> lots -> notify -> store -> web."""

__version__ = "0.1.0"
