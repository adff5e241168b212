# What people run. `make venv` is the root of everything; as root it also installs the Debian packages that are missing.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PYTHONSAFEPATH := 1

.PHONY: help venv system lint crds test conformance simulate simulate-mutants model test-hosts-uml test-cluster test-nodes demo soak faults bench-faults bench-failover bench-idle bench-scheduler bench-scale bench-worst-step clean

help:
	@echo "make venv    .venv with everything in it (as root: Debian packages too)"
	@echo "make demo    the tutorial on an embedded sandbox: three hosts, a power cut, a summary"
	@echo "             HOSTS=uml: on hosts with kernels of their own, with the tutorial's LVM"
	@echo "             API=real: against a real kube-apiserver, with the chart's rights"
	@echo "make test    lint, types, import contracts, unit, scheduler, conformance and host tests"
	@echo "make conformance    the scheduler suite, every edited case, the differential test"
	@echo "make test-hosts-uml  the tests on hosts with kernels of their own (obtains what they need, once)"
	@echo "make test-cluster    the tests on a real kube-apiserver: BACKSTAY_TEST_KUBECONFIG, envtest's, or one built here, once (Go 1.26)"
	@echo "make test-nodes      the tests on real nodes: kubelet and containerd on hosts with kernels of their own, the chart installed"
	@echo "                     by helm with the images just built (Go 1.26; obtains what it needs, once)"
	@echo "make simulate        SEEDS=1000 (default 100) seeds of faults against the real operator, agents and object store;"
	@echo "                     FIRST=300: from there on; SEED=123 replays one and tells its story (TALK=1: every operation and write)"
	@echo "make images  the operator's and the node agent's image, with buildah (as root)"
	@echo "make helm    obtain helm 3 and 4 for the tests of the chart (once)"
	@echo "make simulate-mutants  the same with one thing broken at a time: each must be caught by a checker"
	@echo "make model   search the model of lease and takeover with spin"
	@echo "make lint    ruff, mypy --strict, import-linter, tidy, generated files"
	@echo "make soak    half an hour on burning and starving hosts each, and an outage of the API of five minutes"
	@echo "make faults  FAULTS=200 random faults in a row on namespace hosts, checked from outside (an hour); SEED=1: the same again;"
	@echo "             KINDS=objects: only what is done to Kubernetes objects; KINDS=hosts: all but that"
	@echo "make bench-faults  crash, cut and freeze of a host beside Pacemaker; hops of a takeover with fence device and watchdog (30 minutes)"
	@echo "make bench-failover  failover times beside keepalived and Pacemaker (25 minutes)"
	@echo "                     API=real: Backstay's on a real kube-apiserver (8 minutes)"
	@echo "make bench-idle      CPU, memory and API writes with 100 resources at rest (4 minutes)"
	@echo "make bench-scale      100 to 1,000 resources on 10 to 200 nodes of a real API server: CPU, memory, writes, failover (30 minutes)"
	@echo "make bench-scheduler  time and memory of one scheduling run beside crm_simulate (at most 25 minutes)"
	@echo "make bench-worst-step  what the costliest objects that the API accepts add to one step of the DC (2 minutes)"
	@echo "make crds    write crds/ from the models, and the chart's copy"
	@echo "make chart   write the chart's copy of crds/ and its table of values"

venv: $(VENV)/.ready system

$(VENV)/.ready: pyproject.toml uv.lock tools/bootstrap.sh
	@PYTHON=$(PYTHON) tools/bootstrap.sh

system: $(VENV)/.ready
	@$(BIN)/python -m backstay_sandbox.requirements --install

crds: $(VENV)/.ready
	@$(BIN)/python tools/generate_crds.py
	@$(BIN)/python tools/generate_chart.py

chart: $(VENV)/.ready
	@$(BIN)/python tools/generate_chart.py

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/generate_crds.py --check
	$(BIN)/python tools/generate_chart.py --check
	$(BIN)/python tools/tidy.py

conformance: $(VENV)/.ready
	@BACKSTAY_CONFORMANCE=all $(BIN)/pytest --must-run tests/conformance

test: venv lint
	@$(BIN)/python -m backstay_sandbox.requirements --install --tests || echo "tests that need it will skip"
	@PYTHONPATH=tests $(BIN)/python -m harness.helm || echo "no helm: tests of the chart will skip"
	@PYTHONHASHSEED=random $(BIN)/pytest

simulate: $(VENV)/.ready
	@PYTHONPATH=tests $(BIN)/python -m simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100) --first $(or $(FIRST),0) --faults) $(if $(TALK),--talk)
.PHONY: chart helm images
images:
	@tools/images.sh

helm: venv
	@PYTHONPATH=tests $(BIN)/python -m harness.helm

simulate-mutants: $(VENV)/.ready
	@PYTHONPATH=tests $(BIN)/python -m simulation.mutants $(if $(SEEDS),--seeds $(SEEDS))

model: venv
	@$(BIN)/python tools/check_model.py

demo: venv
	@$(BIN)/python -m backstay_sandbox.demo $(if $(HOSTS),--hosts $(HOSTS)) $(if $(API),--api $(API))

test-hosts-uml: venv
	@$(BIN)/python -m backstay_sandbox.requirements --install --tests --own-kernels
	@$(BIN)/python -m backstay_sandbox.uml --prepare
	@BACKSTAY_UML=1 $(BIN)/pytest --must-run tests/uml

# Minutes on busy hosts, then on starving ones; the outage of the API takes five minutes more.
SOAK_MINUTES ?= 30
soak: venv
	@$(BIN)/python -m backstay_sandbox.requirements --install --tests --own-kernels
	@$(BIN)/python -m backstay_sandbox.uml --prepare
	@BACKSTAY_UML=1 BACKSTAY_OUTAGE_S=300 BACKSTAY_SOAK_S=$$(($(SOAK_MINUTES) * 60)) \
		$(BIN)/pytest --must-run -s tests/hosts/test_busy.py tests/uml/test_uml_burden.py \
		tests/hosts/test_restarts.py::test_outage_of_the_api_is_not_noticed

# The table goes into the page only when nothing was found.
faults: venv
	@$(BIN)/python -m backstay_sandbox.requirements --install --tests
	@PYTHONPATH=tests $(BIN)/python -m faults --faults $(or $(FAULTS),200) --seed $(or $(SEED),1) $(if $(KINDS),--kinds $(KINDS)) $(if $(MARKDOWN),--markdown $(MARKDOWN))

test-cluster: venv
	@$(BIN)/python -m backstay_sandbox.controlplane.binaries --prepare
	@BACKSTAY_REAL_API=1 $(BIN)/pytest --must-run tests/cluster

test-nodes: venv
	@$(BIN)/python -m backstay_sandbox.requirements --install --nodes
	@PYTHONPATH=tests $(BIN)/python -m harness.helm
	@PYTHONPATH=tests $(BIN)/python -m harness.nodes.programs --prepare
	@BACKSTAY_NODES=1 $(BIN)/pytest --must-run tests/nodes

# As root, these install the peers first. On a real API server there is Backstay alone.
bench-failover: venv
ifeq ($(API),real)
	@$(BIN)/python -m backstay_sandbox.controlplane.binaries --prepare
	@PYTHONPATH=tests $(BIN)/python -m bench.failover --api real --runs 3 --markdown docs/bench-failover.md
else
	@$(BIN)/python -m backstay_sandbox.requirements --install --peers
	@PYTHONPATH=tests $(BIN)/python -m bench.failover --markdown docs/bench-failover.md --readme README.md
endif

bench-faults: venv
	@$(BIN)/python -m backstay_sandbox.requirements --install --peers --tests --own-kernels
	@PYTHONPATH=tests $(BIN)/python -m faults.peers --markdown docs/faults.md
	@PYTHONPATH=tests $(BIN)/python -m faults.takeover --markdown docs/faults.md
	@BACKSTAY_UML=1 BACKSTAY_FAULTS_PAGE=docs/faults.md $(BIN)/pytest --must-run tests/uml/test_uml_faults.py

bench-scheduler: venv
	@$(BIN)/python -m backstay_sandbox.requirements --install --peers
	@PYTHONPATH=tests $(BIN)/python -m bench.scheduler --markdown docs/bench-scheduler.md

bench-scale: venv
	@PYTHONPATH=tests $(BIN)/python -m bench.scale --markdown docs/bench-scale.md

# The table goes into the page.
bench-worst-step: venv
	@PYTHONPATH=tests $(BIN)/python -m bench.worst_step --markdown docs/limits.md

bench-idle: venv
	@PYTHONPATH=tests $(BIN)/python -m bench.failover.idle

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
