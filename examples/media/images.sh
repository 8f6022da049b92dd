#!/bin/sh
# Writes three small PGM images into a folder: `ramp` and `disc`, and `cut`, which is broken.
#
#     examples/media/images.sh FOLDER
set -eu
mkdir -p "$1"

# 64 rows from black to white.
{
    printf 'P5\n64 64\n255\n'
    row=0
    while [ "$row" -lt 64 ]; do
        pixel="\\$(printf '%03o' $((row * 4)))"
        # shellcheck disable=SC2059 # the escape is meant
        printf "$(printf '%s' "$pixel$pixel$pixel$pixel$pixel$pixel$pixel$pixel")%.0s" 1 2 3 4 5 6 7 8
        row=$((row + 1))
    done
} >"$1/ramp.pgm"

# A white disc on black.
{
    printf 'P5\n32 32\n255\n'
    row=-16
    while [ "$row" -lt 16 ]; do
        column=-16
        while [ "$column" -lt 16 ]; do
            if [ $((row * row + column * column)) -lt 144 ]; then printf '\377'; else printf '\000'; fi
            column=$((column + 1))
        done
        row=$((row + 1))
    done
} >"$1/disc.pgm"

head -c 100 "$1/disc.pgm" >"$1/cut.pgm"
