"""The path of a reading: collect -> detect -> gate -> incident -> lots -> notify -> store -> web."""
