# syntax=docker/dockerfile:1
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim
# What installs packages is of no use to what runs here.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /opt/yarn-* /usr/local/bin/yarn /usr/local/bin/yarnpkg
ENV NODE_ENV=production OTELFAN_DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY src ./src
# The user `node` by its number: Kubernetes cannot tell from a name that it is not root.
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
# Everything else may be read-only: shards and the embedded queue write here, and nothing anywhere else.
VOLUME /data
EXPOSE 4317 4318 7701 7800 8888 13133
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["node", "/app/bin/healthcheck.mjs"]
ENTRYPOINT ["node", "/app/bin/otelfan.mjs"]
CMD ["--help"]
