"""Mutation testing of the scripts of Redis and of Python: which wrong lines do the tests notice?"""
