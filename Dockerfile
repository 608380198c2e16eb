# One image for every process of a mesh; docker-compose.yml says which one a container runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY node node
COPY relayer relayer
COPY tools tools
RUN python -m venv /opt/meshsec \
 && /opt/meshsec/bin/pip install --quiet --no-cache-dir --disable-pip-version-check . \
 && rm -rf /opt/meshsec/lib/python3.11/site-packages/pip /opt/meshsec/lib/python3.11/site-packages/setuptools* \
 && find /opt/meshsec -name tests -type d -prune -exec rm -rf {} +

FROM python:3.11-slim-bookworm
COPY --from=build /opt/meshsec /opt/meshsec
RUN useradd --create-home --uid 10001 mesh && install -d -o mesh -g mesh /data
USER mesh
WORKDIR /data
EXPOSE 8080
ENV PATH=/opt/meshsec/bin:$PATH PYTHONUNBUFFERED=1
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=12 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["python", "-m", "meshsec.serve"]
