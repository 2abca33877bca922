# The image, for amd64 and arm64: docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=1.0.0 .
#
# What is in it is decided in rootfs/: packages is the list of Debian's packages, assemble collects what is ours, finish
# puts that in its place. rootfs/image makes the same without a container engine, which is what tests run.
#
# For a build that can be repeated, name both base images by digest and set SOURCE_DATE_EPOCH.

ARG GO_IMAGE=golang:1.26-trixie
ARG DEBIAN_IMAGE=debian:trixie-slim

# On the building machine's own architecture: Go compiles for others.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS parts
WORKDIR /source
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETARCH
ARG VERSION=development
ARG REVISION
RUN --mount=type=cache,target=/root/.cache/go-build GOARCH=$TARGETARCH rootfs/assemble /parts

# Alone, so that packages are installed anew only when the list changes.
FROM scratch AS list
COPY rootfs/packages /

FROM ${DEBIAN_IMAGE}
RUN --mount=type=bind,from=list,target=/mnt \
    export DEBIAN_FRONTEND=noninteractive \
 && apt-get --quiet --option APT::Update::Error-Mode=any update \
 && apt-get --quiet --yes --with-new-pkgs upgrade \
 && sed 's/#.*//' /mnt/packages | xargs apt-get --quiet --yes --no-install-recommends install \
 && rm -rf /var/lib/apt/lists/*
ARG SOURCE_DATE_EPOCH
RUN --mount=type=bind,from=parts,source=/parts,target=/mnt /mnt/finish

USER 101:82
EXPOSE 80 443 8443 10254
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/bin/sluice"]
CMD ["controller"]

ARG VERSION=development
ARG REVISION
LABEL org.opencontainers.image.title="Sluice" \
      org.opencontainers.image.description="An ingress controller for Kubernetes that drives a stock NGINX" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
