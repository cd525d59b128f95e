# exolink-reconcile in a small image: no root, state on a volume, dependencies locked by hash.
#   docker build -t exolink-reconcile .
#   docker run --rm -v "$PWD:/work:ro" -v exolink-state:/state -v "$PWD/token:/run/token:ro" -e EXOLINK_TOKEN_FILE=/run/token exolink-reconcile plan
FROM python:3.13.5-slim-bookworm@sha256:4c2cf9917bd1cbacc5e9b07320025bdb7cdf2df7b0ceaccb55e9dd7e30987419 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY ci/requirements.txt ci/build-requirements.txt ci/
RUN python -m venv /build \
    && /build/bin/pip install --require-hashes --only-binary=:all: -r ci/build-requirements.txt \
    && python -m venv /opt/exolink-reconcile \
    && /opt/exolink-reconcile/bin/pip install --require-hashes --only-binary=:all: -r ci/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY exolink_reconcile exolink_reconcile
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/exolink-reconcile/bin/pip install --no-deps /wheel/*.whl \
    && /opt/exolink-reconcile/bin/pip uninstall --yes pip

FROM python:3.13.5-slim-bookworm@sha256:4c2cf9917bd1cbacc5e9b07320025bdb7cdf2df7b0ceaccb55e9dd7e30987419
# git: a pipeline compares with the base of a merge request, and refuses a journal under version control.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 exolink \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /state exolink \
    && install -d -m 0700 -o exolink -g exolink /state
COPY --from=build /opt/exolink-reconcile /opt/exolink-reconcile
ENV PATH=/opt/exolink-reconcile/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 EXOLINK_STATE=/state
# The safety memory of apply: keep it between runs (docs/state.md).
VOLUME /state
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["exolink-reconcile"]
CMD ["--help"]
