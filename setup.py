"""The package list. The package's root is the repository's, so ``find_namespace_packages`` needs the prefix added."""

from setuptools import find_namespace_packages, setup

TOPS = ("domain", "projections", "adapters", "runners", "api")
ROOMS = find_namespace_packages(include=[name for top in TOPS for name in (top, f"{top}.*")])

setup(packages=["grokputer", *(f"grokputer.{room}" for room in ROOMS)], package_dir={"grokputer": "."})
