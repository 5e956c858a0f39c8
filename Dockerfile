FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
ARG VERSION=devel COMMIT=unknown DATE=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=false -trimpath \
      -ldflags "-s -w -buildid= -X footfall/bootstrap.version=$VERSION -X footfall/bootstrap.commit=$COMMIT -X footfall/bootstrap.date=$DATE" -o /out/footfall . \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian13:nonroot
ARG VERSION=devel COMMIT=unknown DATE=unknown
LABEL org.opencontainers.image.title=Footfall \
      org.opencontainers.image.description="Counts visits of pages and unique ids per minute, exactly" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$COMMIT \
      org.opencontainers.image.created=$DATE
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
