"""Values, protocols, names and numbers that every other layer shares; knows no library of the field."""
