# syntax=docker/dockerfile:1
# Two stages: one builds an environment, the other holds nothing but that and Python.

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/gatepass \
 && pip install --no-cache-dir "hatchling>=1.27,<2"

# The dependencies change seldom: a layer of their own, every file checked against its hash.
COPY requirements.lock ./
RUN pip --python /opt/gatepass/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY migrations ./migrations
RUN python -m hatchling build -t wheel -d /dist \
 && pip --python /opt/gatepass/bin/python install --no-cache-dir --no-index --no-deps /dist/*.whl


FROM python:3.11-slim
RUN pip uninstall --yes --root-user-action ignore pip setuptools wheel \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gatepass \
 && install --directory --owner gatepass --mode 0700 /data
COPY --from=build /opt/gatepass /opt/gatepass
ENV PATH=/opt/gatepass/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Where a SQLite database would stand; with PostgreSQL nothing is written.
WORKDIR /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["gatepass", "serve", "--host", "0.0.0.0", "--port", "8000"]
