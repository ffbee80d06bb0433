# One image, roles by command: `up` (everything, for one machine), `ingress`, `worker`.
FROM docker.io/library/python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY deploy/constraints.txt deploy/build-constraints.txt deploy/
RUN python3 -m venv /build \
    && /build/bin/pip install --quiet --require-hashes -r deploy/build-constraints.txt \
    && python3 -m venv --without-pip /opt/ringback \
    && /build/bin/pip --python /opt/ringback/bin/python install --quiet --require-hashes -r deploy/constraints.txt
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY deploy/dependencies.py deploy/
COPY service service
COPY handlers handlers
RUN /build/bin/python -m hatchling build -t wheel -d /dist \
    && /build/bin/pip --python /opt/ringback/bin/python install --quiet --no-deps --no-index /dist/*.whl

FROM docker.io/library/python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent ringback \
    && install -d -o root -g root -m 755 /app \
    && install -d -o ringback -g ringback -m 700 /data
COPY --from=build /opt/ringback /opt/ringback
ENV PATH=/opt/ringback/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RINGBACK_HOST=0.0.0.0 \
    RINGBACK_PORT=8080 \
    RINGBACK_ADMIN_HOST=0.0.0.0 \
    RINGBACK_ADMIN_PORT=9090 \
    RINGBACK_DATA=/data
# Handlers of your own go here, by COPY or a read-only mount: the working directory is on the import path, so it belongs to
# root, and nothing that runs can put code into it.
WORKDIR /app
VOLUME /data
USER 10001:10001
# 9091: the worker's probes and metrics under `up`.
EXPOSE 8080 9090 9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["ringback", "healthcheck"]
ENTRYPOINT ["ringback"]
CMD ["up"]
