"""The package list. The package's root is the repository's, so ``find_namespace_packages`` needs the prefix added."""

from setuptools import find_namespace_packages, setup

ROOMS = find_namespace_packages(
    include=["domain", "domain.*", "projections", "projections.*", "adapters", "adapters.*", "runners", "runners.*"]
)

setup(packages=["grokputer", *(f"grokputer.{room}" for room in ROOMS)], package_dir={"grokputer": "."})
