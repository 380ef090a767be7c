# The service, on a processor. Build: docker build -t amgan .   Run: see compose.yaml and docs/SERVICE.md.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 AMGAN_CACHE=/cache
RUN useradd --create-home shop && install -d -o shop /cache /data
WORKDIR /src
# PyTorch first, without CUDA, and in a layer of its own: it is large and changes seldom.
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY amgan amgan
COPY retrieval retrieval
COPY indexer indexer
COPY ui ui
RUN grep -vE '^(torch|torchvision)==' constraints.txt > others.txt \
    && pip install --constraint others.txt '.[fast,parquet,service]'

USER shop
VOLUME /cache
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["serve-catalog"]
CMD ["--host", "0.0.0.0"]
