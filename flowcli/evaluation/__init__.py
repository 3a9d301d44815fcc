"""Measuring estimators on data sets with known flow: which pairs, which errors, which report."""
