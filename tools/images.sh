#!/bin/sh
# Builds the two images with buildah (no Docker engine, no registry): `make images`. As root.
#   BASE=...   the image to build on, by its digest (NAME@sha256:...), pulled before; by default one that is made here of
#              Debian's packages with mmdebstrap
#   RELEASE=1  for images that others get: refuses without such a BASE, since the one made here is of the day's packages
#   TAG=...    default: the chart's appVersion
# Images land in buildah's storage; `buildah push backstay-operator:TAG docker-archive:operator.tar` writes one to a file, which
# `kind load image-archive operator.tar` and `ctr -n k8s.io images import operator.tar` take.
set -eu
cd "$(dirname "$0")/.."
export STORAGE_DRIVER="${STORAGE_DRIVER:-vfs}" BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}"
TAG=${TAG:-$(sed -n 's/^appVersion: //p' charts/backstay/Chart.yaml)}
case "${BASE:-}" in
    *@sha256:*[!0-9a-f]*) digest= ;;
    *@sha256:????????????????????????????????????????????????????????????????) digest=yes ;;
    *) digest= ;;
esac
case "${BASE:-}/${RELEASE:-}" in
    /|localhost/*/) ;;
    *) [ -n "$digest" ] || { echo "BASE=${BASE:-}: name the base by its digest, IMAGE@sha256:... (RELEASE=${RELEASE:-})" >&2; exit 1; } ;;
esac
for tool in buildah mmdebstrap; do
    command -v "$tool" >/dev/null || { echo "missing: $tool (Debian: apt-get install buildah mmdebstrap)" >&2; exit 1; }
done

if [ -z "${BASE:-}" ]; then
    BASE=localhost/backstay-base:bookworm
    if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
        echo "making $BASE"
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
        mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
            --dpkgopt=path-exclude=/usr/share/man/* --dpkgopt=path-exclude=/usr/share/doc/* \
            --dpkgopt=path-exclude=/usr/share/locale/* bookworm "$scratch/base.tar"
        container=$(buildah from scratch)
        buildah add --quiet "$container" "$scratch/base.tar" / >/dev/null
        buildah commit --quiet --rm "$container" "$BASE" >/dev/null
    fi
fi

# Certificates and settings by which this machine reaches its package index: needed while building, not part of the image.
set --
[ -d /etc/ssl/certs ] && set -- "$@" --volume /etc/ssl/certs:/etc/ssl/certs:ro --volume /usr/share/ca-certificates:/usr/share/ca-certificates:ro
[ -d /usr/local/share/ca-certificates ] && set -- "$@" --volume /usr/local/share/ca-certificates:/usr/local/share/ca-certificates:ro
[ -f /etc/pip.conf ] && set -- "$@" --volume /etc/pip.conf:/etc/pip.conf:ro
[ -f /etc/apt/sources.list ] && set -- "$@" --volume /etc/apt/sources.list:/etc/apt/sources.list:ro
[ -d /etc/apt/sources.list.d ] && set -- "$@" --volume /etc/apt/sources.list.d:/etc/apt/sources.list.d:ro

for program in operator nodeagent; do
    echo "building backstay-$program:$TAG"
    buildah build "$@" --quiet --layers=false --pull=never --build-arg BASE="$BASE" \
        --file "$program/Dockerfile" --tag "backstay-$program:$TAG" . >/dev/null
done
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep backstay
