// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/grid.h"

#include <stdarg.h>
#include <string.h>

static size_t columns(const struct arq_grid *grid)
{
	size_t count = strlen(grid->sides);

	return count < ARQ_GRID_COLUMNS_MAX ? count : ARQ_GRID_COLUMNS_MAX;
}

void arq_grid_begin(struct arq_grid *grid, const char *sides)
{
	grid->sides = sides;
	grid->cells_count = 0;
}

void arq_grid_add(struct arq_grid *grid, const char *format, ...)
{
	va_list arguments;

	if (grid->cells_count == columns(grid) * ARQ_GRID_ROWS_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(grid->cells[grid->cells_count++], ARQ_GRID_CELL_MAX, format, arguments);
	va_end(arguments);
}

void arq_grid_add_actions(struct arq_grid *grid)
{
	static const char *const titles[ARQ_ACTIONS] = {"ABORTED", "DROP",     "PASS",
							"TX",      "REDIRECT", "INVALID"};

	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		arq_grid_add(grid, "%s", titles[action]);
}

void arq_grid_add_rate(struct arq_grid *grid, double rate)
{
	arq_grid_add(grid, rate > 0 && rate < 10 ? "%.1f" : "%.0f", rate);
}

void arq_grid_print(const struct arq_grid *grid, FILE *stream)
{
	size_t widths[ARQ_GRID_COLUMNS_MAX] = {0}, count = columns(grid);

	for (size_t i = 0; i < grid->cells_count; i++) {
		size_t length = strlen(grid->cells[i]);
		if (length > widths[i % count])
			widths[i % count] = length;
	}
	for (size_t i = 0; i < grid->cells_count; i++) {
		size_t column = i % count, last = column == count - 1;
		if (grid->sides[column] == '>')
			fprintf(stream, "%*s", (int)widths[column], grid->cells[i]);
		else
			fprintf(stream, "%-*s", last ? 0 : (int)widths[column], grid->cells[i]);
		fputs(last ? "\n" : "  ", stream);
	}
}
