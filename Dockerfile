# The demo application of docker-compose.yml; a project of your own installs taskproc as any other package.
FROM python:3.13-slim
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY taskproc taskproc
COPY lua lua
RUN pip install --no-cache-dir '.[uvloop]'
USER nobody
WORKDIR /tmp
ENTRYPOINT ["taskproc"]
