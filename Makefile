# make grade · make test · make bench · make gallery · make release: each sets up what it needs first (setup.sh; quick when done).
SHELL := bash
BIN := .venv/bin
COURSE := sample_course
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: grade test test-fast bench fuzz gallery release setup setup-for-tests clean

grade: setup  ## build the sample course, grade it, print a table and where the report is
	@$(BIN)/netlens sample-course $(COURSE)
	@$(BIN)/netlens grade $(COURSE)

test: setup-for-tests  ## linter, formatter, types and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

test-fast: setup-for-tests  ## the tests without the slow ones
	$(PYTEST) -m "not slow"

bench: setup  ## measure, also against nbgrader; writes benchmarks/RESULTS.md
	$(BIN)/python benchmarks/results.py

fuzz: setup  ## a million odd inputs, for the night; writes its figures into benchmarks/RESULTS.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/results.py fuzzing
	NETLENS_KILLS=1000 NETLENS_KILL_SEED=$$(date +%j) $(BIN)/pytest tests/faults/test_kills.py

gallery: setup  ## the pictures of docs/methods, made anew from code and seeds
	OMP_NUM_THREADS=2 $(BIN)/python -m gallery

release: setup  ## wheels of netlens and of the student kit in dist/, the students' notebooks and inputs in release/, nbgrader's gradebook of them
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist . ./kit
	$(BIN)/netlens release .

setup:
	@./setup.sh

setup-for-tests:
	@./setup.sh test

clean:  ## what was made here, but not .venv and not grades of your own courses
	[ -e submitted ] || rm -f gradebook.db
	rm -rf $(COURSE) dist build source release nbgrader_config.py .pytest_cache .mypy_cache .ruff_cache .hypothesis
