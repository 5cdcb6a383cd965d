# syntax=docker/dockerfile:1
# The image of every process of Paystream; the command says which one. No compiler, no tests and no embedded stack in it.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/paystream
ENV PATH=/opt/paystream/bin:$PATH

# The libraries change less often than our code and get a layer of their own.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt

COPY . .
RUN pip install --no-deps . && pip check


FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 paystream \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin paystream
COPY --from=build /opt/paystream /opt/paystream
ENV PATH=/opt/paystream/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/paystream
USER 10001:10001
EXPOSE 8080
CMD ["paystream", "--help"]
