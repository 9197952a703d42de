#!/bin/sh
# Builds the wheel, installs it without extras into an empty environment outside the checkout, and runs a first session there:
# what a person has who installs the package to read, record, rate and audit. Nothing of it may need torch.
set -eu
cd "$(dirname "$0")/.."
source=$(pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/build"
"$work/build/bin/pip" install --quiet --disable-pip-version-check "build>=1.2" 2>/dev/null
git archive HEAD | (mkdir "$work/source" && tar -x -C "$work/source")
"$work/build/bin/python" -m build --wheel --outdir "$work" "$work/source" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }

"$python" -m venv "$work/empty"
"$work/empty/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt "$work"/*.whl 2>/dev/null
for module in torch transformers openai datasets miniwob; do
    if "$work/empty/bin/python" -c "import $module" 2>/dev/null; then echo "check_wheel: $module is installed without its extra" >&2; exit 1; fi
done
for folder in pretraining tests benchmarks; do
    if "$work/empty/bin/python" -c "import grokputer.$folder" 2>/dev/null; then echo "check_wheel: $folder ships in the wheel" >&2; exit 1; fi
done

mkdir "$work/session"
cp "$source/scripts/first_session.sh" "$work/session/"
cd "$work/session"
PATH="$work/empty/bin:$PATH" sh ./first_session.sh >"$work/session.log" 2>&1 || { cat "$work/session.log" >&2; exit 1; }
echo "check_wheel: the wheel runs a first session in an empty environment"
