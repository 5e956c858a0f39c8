FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=false -trimpath \
      -ldflags "-s -w -buildid= -X footfall/bootstrap.version=$VERSION" -o /out/footfall . \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/footfall /usr/local/bin/footfall
# A new volume gets the owner of the folder on which it is mounted.
COPY --from=build --chown=65532:65532 /out/data /data
ENV FOOTFALL_STORE=embedded:///data/store FOOTFALL_CAPTURE_LOG=/data/unique_id_capture.log
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=3s --timeout=4s --start-period=20s --retries=2 \
  CMD ["/usr/local/bin/footfall", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/footfall"]
