# syntax=docker/dockerfile:1
# A small image that runs as nobody in particular. Not run where this was written: see docs/operations.md.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
ENV CARGO_INCREMENTAL=0
RUN cargo build --release --locked --package guichet && strip target/release/guichet

FROM debian:bookworm-slim
RUN useradd --system --uid 10311 --home-dir /var/lib/guichet --create-home guichet
COPY --from=build /src/target/release/guichet /usr/local/bin/guichet
COPY --from=build /src/declarations /usr/share/guichet/declarations
COPY --from=build /src/mappings /usr/share/guichet/mappings
COPY --from=build /src/data /usr/share/guichet/data
COPY --from=build /src/LICENSE /usr/share/doc/guichet/LICENSE
ENV GUICHET_DECLARATIONS=/usr/share/guichet/declarations \
    GUICHET_DEMO_DIR=/var/lib/guichet/demo \
    GUICHET_LISTEN=0.0.0.0:8311
USER guichet
# Where data/ and mappings/ are, by the names that the demo and the documentation call them. Not to be written to.
WORKDIR /usr/share/guichet
EXPOSE 8311
ENTRYPOINT ["guichet"]
CMD ["serve"]
