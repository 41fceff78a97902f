"""Fakes and contract suites that ship with the product, for our tests and for third parties."""
