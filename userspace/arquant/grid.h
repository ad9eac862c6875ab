/* SPDX-License-Identifier: BSD-2-Clause */
/* A table for people: columns as wide as their widest cell, two blanks between them. */
#ifndef ARQUANT_GRID_H
#define ARQUANT_GRID_H

#include <arquant/counters.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARQ_GRID_COLUMNS_MAX 16
#define ARQ_GRID_ROWS_MAX    48
#define ARQ_GRID_CELL_MAX    64

struct arq_grid {
	const char *sides; /* of each column, '<' left or '>' right */
	size_t cells_count;
	char cells[ARQ_GRID_ROWS_MAX * ARQ_GRID_COLUMNS_MAX][ARQ_GRID_CELL_MAX];
};

/* Empties it. `sides` has a character for each column and is borrowed. */
void arq_grid_begin(struct arq_grid *grid, const char *sides);

/* The next cell, from left to right, row after row; "" leaves it empty. What is too much is left
 * out. */
void arq_grid_add(struct arq_grid *grid, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Cells that many commands have: the titles of the six actions, and a rate for each second. */
void arq_grid_add_actions(struct arq_grid *grid);
void arq_grid_add_rate(struct arq_grid *grid, double rate);

void arq_grid_print(const struct arq_grid *grid, FILE *stream);

#endif
