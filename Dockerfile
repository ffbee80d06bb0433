# One image, roles by command: `up` (everything, for one machine), `ingress`, `worker`, `dashboard`.
# Give BASE by digest to build the same image again: --build-arg BASE=docker.io/library/python:3.13-slim@sha256:…
ARG BASE=docker.io/library/python:3.13-slim

FROM $BASE AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# For strip.
RUN apt-get update -q && apt-get install -yq --no-install-recommends binutils
WORKDIR /src
COPY deploy/constraints.txt deploy/build-constraints.txt deploy/trim_packages.py deploy/
# pip compiles the bytecode here, since nothing can write it on a read-only root.
RUN python3 -m venv /build \
    && /build/bin/pip install --quiet --require-hashes -r deploy/build-constraints.txt \
    && python3 -m venv --without-pip /opt/ringback \
    && /build/bin/pip --python /opt/ringback/bin/python install --quiet --require-hashes -r deploy/constraints.txt
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY deploy/dependencies.py deploy/
COPY service service
COPY handlers handlers
# The bill of materials names what is installed, before files are left out.
RUN /build/bin/python -m hatchling build -t wheel -d /dist \
    && /build/bin/pip --python /opt/ringback/bin/python install --quiet --no-deps --no-index /dist/*.whl \
    && /build/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
        --output-format JSON --output-file /opt/ringback/sbom.cdx.json /opt/ringback/bin/python \
    && /opt/ringback/bin/python deploy/trim_packages.py /opt/ringback/lib/python3.*/site-packages

FROM $BASE
# Handlers of your own go to /app, which belongs to root: nothing that runs can put code into it. The base's pip goes, too.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --no-log-init ringback \
    && install -d -o root -g root -m 755 /app \
    && install -d -o ringback -g ringback -m 700 /data \
    && pip=$(python3 -c 'import pip; print(*pip.__path__)') \
    && rm -rf "$pip" "$pip"-*.dist-info $(find / -xdev -path '*/bin/pip*' -not -type d)
COPY --from=build /opt/ringback /opt/ringback
ENV PATH=/opt/ringback/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RINGBACK_HOST=0.0.0.0 \
    RINGBACK_PORT=8080 \
    RINGBACK_ADMIN_HOST=0.0.0.0 \
    RINGBACK_ADMIN_PORT=9090 \
    RINGBACK_DATA=/data
# The working directory is on the import path: by COPY or a read-only mount.
WORKDIR /app
VOLUME /data
USER 10001:10001
# 8081: the dashboard. 9091: the worker's probes and metrics under `up`.
EXPOSE 8080 8081 9090 9091
STOPSIGNAL SIGTERM
# It asks the port of the role that this container runs.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["ringback", "healthcheck"]
ENTRYPOINT ["ringback"]
CMD ["up"]
# Last, so that another revision changes no layer.
ARG VERSION=0.1.0 REVISION=unknown CREATED=unknown BASE
LABEL org.opencontainers.image.title="Ringback" \
      org.opencontainers.image.description="Receives Telnyx webhooks, keeps every event, and lets plain Python handlers act on it." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="$BASE"
