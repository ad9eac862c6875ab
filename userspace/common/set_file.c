// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/set_file.h"

#include "userspace/common/large.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Longest prefix or time that is worth a look. */
#define WORD_MAX 64

/* A file beyond this is no list of prefixes. */
#define FILE_BYTES_MAX (1u << 30)

#define PROGRESS_LINES 16384

/* A longer text is parsed in parts, each by a thread. */
#define PART_BYTES (1u << 20)
#define PARTS_MAX  4

/* As many entries are made room for at first: a line is hardly ever shorter. */
#define LINE_BYTES 16

/* Tags that were seen lately, by their hash: lists have few. */
#define TAG_MEMORIES 256

struct parser {
	struct arq_set *set;
	const char *name;
	const char *line; /* where the line begins */
	unsigned long number; /* of the line */
	size_t capacity;
	size_t tags_capacity;
	uint32_t tags[TAG_MEMORIES];
	struct arq_error *error;
};

struct word {
	const char *at;
	size_t length;
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

/* Puts the position before the error's text. */
static int refuse(const struct parser *parser, const char *at, int code)
{
	return arq_error_prefix(parser->error, code, "%s:%lu:%zu", parser->name, parser->number,
				(size_t)(at - parser->line) + 1);
}

/* --- prefixes --------------------------------------------------------------------------------- */

/* A number without leading zeros, at most `max`. Returns the bytes it takes, 0 for none. */
static size_t parse_number(const char *at, const char *end, unsigned int max, unsigned int *value)
{
	size_t length = 0;

	*value = 0;
	while (at + length < end && at[length] >= '0' && at[length] <= '9' && length < 4)
		*value = *value * 10 + (unsigned int)(at[length++] - '0');
	return length > 3 || *value > max || (length > 1 && at[0] == '0') ? 0 : length;
}

/* The form that nearly all lines have, without the detour through strings. */
static bool parse_ipv4(const struct word *word, struct arq_prefix *prefix)
{
	const char *at = word->at, *end = at + word->length;
	unsigned int value;

	*prefix = (struct arq_prefix){.family = AF_INET, .length = 32};
	for (int i = 0; i < 4; i++) {
		if (i > 0 && (at == end || *at++ != '.'))
			return false;
		size_t digits = parse_number(at, end, 255, &value);
		if (digits == 0)
			return false;
		prefix->address[i] = (uint8_t)value;
		at += digits;
	}
	if (at < end) {
		if (*at++ != '/')
			return false;
		size_t digits = parse_number(at, end, 32, &value);
		if (digits == 0 || at + digits != end)
			return false;
		prefix->length = (uint8_t)value;
	}
	return arq_prefix_valid(prefix);
}

static int parse_prefix(const struct parser *parser, const struct word *word,
			struct arq_prefix *prefix)
{
	char text[WORD_MAX];

	if (parse_ipv4(word, prefix))
		return 0;
	size_t length = word->length < sizeof(text) ? word->length : sizeof(text) - 1;
	memcpy(text, word->at, length);
	text[length] = '\0';
	if (memchr(text, '\0', length)) {
		arq_error_set(parser->error, -EINVAL, "not a text file; write one prefix a line");
		return refuse(parser, word->at, -EINVAL);
	}
	int status = arq_prefix_parse(prefix, text, parser->error);
	return status ? refuse(parser, word->at, status) : 0;
}

/* --- times ------------------------------------------------------------------------------------ */

/* Exactly `count` digits. */
static bool parse_digits(const char **at, const char *end, int count, int *value)
{
	*value = 0;
	for (; count > 0; count--, (*at)++) {
		if (*at == end || **at < '0' || **at > '9')
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return true;
}

static bool expect(const char **at, const char *end, char byte)
{
	return *at < end && *(*at)++ == byte;
}

/* "2026-12-31" or "2026-12-31T23:59:59Z". Returns -1 for what is no time. */
static int64_t parse_date(const char *at, const char *end)
{
	struct tm time = {0};
	struct tm again;

	if (!parse_digits(&at, end, 4, &time.tm_year) || !expect(&at, end, '-') ||
	    !parse_digits(&at, end, 2, &time.tm_mon) || !expect(&at, end, '-') ||
	    !parse_digits(&at, end, 2, &time.tm_mday))
		return -1;
	if (at < end && (!expect(&at, end, 'T') || !parse_digits(&at, end, 2, &time.tm_hour) ||
			 !expect(&at, end, ':') || !parse_digits(&at, end, 2, &time.tm_min) ||
			 !expect(&at, end, ':') || !parse_digits(&at, end, 2, &time.tm_sec) ||
			 !expect(&at, end, 'Z') || at != end))
		return -1;
	time.tm_year -= 1900;
	time.tm_mon -= 1;
	again = time;
	int64_t seconds = timegm(&again);
	/* The 31st of June is another day than was written. */
	return again.tm_mday == time.tm_mday && again.tm_mon == time.tm_mon &&
			       again.tm_hour == time.tm_hour && again.tm_min == time.tm_min &&
			       again.tm_sec == time.tm_sec
		       ? seconds
		       : -1;
}

static int parse_until(const struct parser *parser, const struct word *word, uint32_t *expires)
{
	const char *at = word->at + strlen("until="), *end = word->at + word->length;
	int64_t seconds = -1;

	if (at < end && *at == '@' && end - at > 1 && end - at <= 11) {
		seconds = 0;
		for (at++; at < end && seconds >= 0; at++)
			seconds = *at >= '0' && *at <= '9' ? seconds * 10 + (*at - '0') : -1;
	} else {
		seconds = parse_date(at, end);
	}
	if (seconds <= 0 || seconds > UINT32_MAX) {
		arq_error_set(parser->error, -EINVAL,
			      "'%.*s' is no time; write until=2026-12-31T23:59:59Z (UTC), "
			      "until=2026-12-31 or until=@ and seconds since 1970",
			      (int)(word->length < 60 ? word->length : 60), word->at);
		return refuse(parser, word->at, -EINVAL);
	}
	*expires = (uint32_t)seconds;
	return 0;
}

/* --- tags ------------------------------------------------------------------------------------- */

static int add_tag(struct parser *parser, const struct word *word, uint32_t *tag)
{
	struct arq_set *set = parser->set;
	size_t wanted = set->tags_size + word->length + 1;

	if (wanted > UINT32_MAX)
		return arq_error_set(parser->error, -E2BIG, "the tags are too long together");
	if (wanted > parser->tags_capacity) {
		size_t capacity = wanted * 2;
		char *tags = realloc(set->tags, capacity);
		if (!tags)
			return arq_error_set(parser->error, -ENOMEM, "no memory for the tags");
		set->tags = tags;
		parser->tags_capacity = capacity;
	}
	*tag = (uint32_t)set->tags_size;
	memcpy(set->tags + set->tags_size, word->at, word->length);
	set->tags[wanted - 1] = '\0';
	set->tags_size = wanted;
	return 0;
}

static int find_tag(struct parser *parser, const struct word *word, uint32_t *tag)
{
	uint32_t hash = 2166136261u;

	if (word->length >= ARQ_SET_TAG_MAX) {
		arq_error_set(parser->error, -EINVAL, "the tag has %zu bytes; give it up to %d",
			      word->length, ARQ_SET_TAG_MAX - 1);
		return refuse(parser, word->at, -EINVAL);
	}
	for (size_t i = 0; i < word->length; i++) {
		uint8_t byte = (uint8_t)word->at[i];
		if (byte < ' ' || byte == 0x7f) {
			arq_error_set(parser->error, -EINVAL, "the tag has a control character");
			return refuse(parser, word->at + i, -EINVAL);
		}
		hash = (hash ^ byte) * 16777619u;
	}
	uint32_t *memory = &parser->tags[hash % TAG_MEMORIES];
	const char *known = parser->set->tags + *memory;
	if (*memory && strncmp(known, word->at, word->length) == 0 && !known[word->length]) {
		*tag = *memory;
		return 0;
	}
	int status = add_tag(parser, word, memory);
	*tag = *memory;
	return status ? refuse(parser, word->at, status) : 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* The next word of a line, or a comment, which begins with '#'. */
static bool next_word(const char **at, const char *end, struct word *word)
{
	while (*at < end && is_blank(**at))
		(*at)++;
	if (*at == end)
		return false;
	word->at = *at;
	if (**at == '#')
		*at = end;
	while (*at < end && !is_blank(**at) && **at != '#')
		(*at)++;
	word->length = (size_t)(*at - word->at);
	return true;
}

static bool begins(const struct word *word, const char *with)
{
	size_t length = strlen(with);

	return word->length >= length && memcmp(word->at, with, length) == 0;
}

/* What stands behind a prefix: a tag, a time, a comment. */
static int parse_attribute(struct parser *parser, const struct word *word,
			   struct arq_set_entry *entry)
{
	struct word tag = *word;

	if (begins(word, "until=")) {
		if (!entry->expires)
			return parse_until(parser, word, &entry->expires);
		arq_error_set(parser->error, -EINVAL, "a second time; keep one");
		return refuse(parser, word->at, -EINVAL);
	}
	if (*word->at == '#') {
		if (!begins(word, "#tag=") || entry->tag)
			return 0;
		tag.at += strlen("#tag=");
		tag.length = 0;
		while (tag.at + tag.length < word->at + word->length &&
		       !is_blank(tag.at[tag.length]))
			tag.length++;
		return tag.length ? find_tag(parser, &tag, &entry->tag) : 0;
	}
	if (!entry->tag)
		return find_tag(parser, word, &entry->tag);
	arq_error_set(parser->error, -EINVAL,
		      "'%.*s' is a second tag; write one prefix a line, and '#' before comments",
		      (int)(word->length < 60 ? word->length : 60), word->at);
	return refuse(parser, word->at, -EINVAL);
}

static int add_room(struct parser *parser, size_t capacity)
{
	struct arq_set *set = parser->set;

	void *entries = arq_large_grow(set->entries, set->count, capacity, sizeof(set->entries[0]));
	if (!entries)
		return arq_error_set(parser->error, -ENOMEM, "no memory for the prefixes");
	set->entries = entries;
	parser->capacity = capacity;
	return 0;
}

static int add_entry(struct parser *parser, const struct arq_set_entry *entry)
{
	struct arq_set *set = parser->set;

	if (set->count >= ARQ_SET_ENTRIES_MAX) {
		arq_error_set(parser->error, -E2BIG,
			      "more than %u prefixes; aggregate neighbouring ones",
			      ARQ_SET_ENTRIES_MAX);
		return refuse(parser, parser->line, -E2BIG);
	}
	if (set->count == parser->capacity) {
		int status = add_room(parser, parser->capacity * 2);
		if (status)
			return refuse(parser, parser->line, status);
	}
	set->entries[set->count++] = *entry;
	return 0;
}

static int parse_line(struct parser *parser, const char *end)
{
	struct arq_set_entry entry = {0};
	const char *at = parser->line;
	struct word word;

	if (!next_word(&at, end, &word) || *word.at == '#')
		return 0;
	int status = parse_prefix(parser, &word, &entry.prefix);
	while (status == 0 && next_word(&at, end, &word))
		status = parse_attribute(parser, &word, &entry);
	return status ? status : add_entry(parser, &entry);
}

static int parse_lines(struct parser *parser, const char *text, size_t size,
		       const struct arq_set_progress *progress)
{
	const char *at = text, *end = text + size;
	int status = 0;

	while (at < end && status == 0) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		parser->line = at;
		parser->number++;
		status = parse_line(parser, stop);
		at = stop < end ? stop + 1 : end;
		if (progress && progress->report && parser->number % PROGRESS_LINES == 0)
			progress->report(progress->context, (size_t)(at - text), size);
	}
	return status;
}

/* Room for tags, of which number 0 is none. */
static int begin_tags(struct parser *parser)
{
	struct arq_set *set = parser->set;

	parser->tags_capacity = set->tags_size;
	if (set->tags_size > 0)
		return 0;
	char *tags = realloc(set->tags, 64);
	if (!tags)
		return arq_error_set(parser->error, -ENOMEM, "no memory for the tags");
	tags[0] = '\0';
	set->tags = tags;
	set->tags_size = 1;
	parser->tags_capacity = 64;
	return 0;
}

static size_t first_room(size_t size)
{
	size_t lines = size / LINE_BYTES + 1;

	return lines < ARQ_SET_ENTRIES_MAX ? lines : ARQ_SET_ENTRIES_MAX;
}

/* From one end to the other. After an error the set is as it was. */
static int parse_whole(struct arq_set *set, const char *name, const char *text, size_t size,
		       const struct arq_set_progress *progress, struct arq_error *error)
{
	struct parser parser = {.set = set, .name = name, .error = error};
	size_t count = set->count, tags_size = set->tags_size;

	int status = begin_tags(&parser);
	if (status == 0)
		status = add_room(&parser, count + first_room(size));
	if (status == 0)
		status = parse_lines(&parser, text, size, progress);
	if (status) {
		set->count = count;
		set->tags_size = tags_size ? tags_size : 1;
	}
	return status;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* Whole lines of a text. */
struct part {
	const char *text;
	size_t size;
	const struct arq_set_progress *progress;
	struct arq_set set;
	int status;
	bool beside; /* in a thread of its own */
	pthread_t thread;
};

static void *parse_part(void *context)
{
	struct part *part = context;
	struct arq_error unused = {0};

	part->status = parse_whole(&part->set, "", part->text, part->size, part->progress, &unused);
	return NULL;
}

/* Progress of the first part is taken for that of all. */
struct share {
	const struct arq_set_progress *progress;
	size_t size;
};

static void report_share(void *context, size_t done, size_t all)
{
	const struct share *share = context;

	share->progress->report(share->progress->context,
				(size_t)((double)done / (double)all * (double)share->size),
				share->size);
}

/* Cuts the text at ends of lines. Returns how many parts it has. */
static size_t cut(const char *text, size_t size, struct part parts[PARTS_MAX])
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = cpus > PARTS_MAX ? PARTS_MAX : (size_t)(cpus > 1 ? cpus : 1);
	size_t begin = 0, count = 0;

	if (most > size / PART_BYTES)
		most = size / PART_BYTES;
	while (begin < size) {
		size_t end = count + 1 < most ? size / most * (count + 1) : size;
		const char *stop =
			end > begin && end < size ? memchr(text + end, '\n', size - end) : NULL;
		end = stop ? (size_t)(stop - text) + 1 : size;
		parts[count++] = (struct part){.text = text + begin, .size = end - begin};
		begin = end;
	}
	return count;
}

/* There is room for the entries. */
static int append_part(struct parser *parser, const struct part *part)
{
	struct arq_set *set = parser->set;
	const struct word tags = {part->set.tags + 1, part->set.tags_size - 1};
	uint32_t base = 0;

	int status = tags.length > 0 ? add_tag(parser, &tags, &base) : 0;
	for (size_t i = 0; i < part->set.count && status == 0; i++) {
		struct arq_set_entry *entry = &set->entries[set->count++];
		*entry = part->set.entries[i];
		if (entry->tag)
			entry->tag += base - 1;
	}
	return status;
}

/* Adds what the parts say, in their order. After an error the set is as it was. */
static int append_parts(struct arq_set *set, const struct part *parts, size_t count,
			struct arq_error *error)
{
	struct parser parser = {.set = set, .error = error};
	size_t before = set->count, tags_size = set->tags_size, all = set->count;

	for (size_t i = 0; i < count; i++)
		all += parts[i].set.count;
	int status = all <= ARQ_SET_ENTRIES_MAX ? begin_tags(&parser) : -E2BIG;
	if (status == 0)
		status = add_room(&parser, all);
	for (size_t i = 0; i < count && status == 0; i++)
		status = append_part(&parser, &parts[i]);
	if (status) {
		set->count = before;
		set->tags_size = tags_size ? tags_size : 1;
	}
	return status;
}

static int parse_parts(struct arq_set *set, struct part *parts, size_t count, size_t size,
		       const struct arq_set_progress *progress)
{
	struct share share = {.progress = progress, .size = size};
	const struct arq_set_progress first = {.report = report_share, .context = &share};
	struct arq_error unused = {0};
	int status = 0;

	if (progress && progress->report)
		parts[0].progress = &first;
	for (size_t i = 1; i < count; i++)
		parts[i].beside =
			pthread_create(&parts[i].thread, NULL, parse_part, &parts[i]) == 0;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].beside)
			pthread_join(parts[i].thread, NULL);
		else
			parse_part(&parts[i]);
		status = status ? status : parts[i].status;
	}
	parts[0].progress = NULL; /* it was of this call */
	if (status == 0)
		status = append_parts(set, parts, count, &unused);
	for (size_t i = 0; i < count; i++) {
		free(parts[i].set.entries);
		free(parts[i].set.tags);
	}
	return status;
}

int arq_set_parse(struct arq_set *set, const char *name, const char *text, size_t size,
		  const struct arq_set_progress *progress, struct arq_error *error)
{
	struct part parts[PARTS_MAX];

	/* What fails in parts is looked for from the beginning, so that its line is known. */
	if (size >= 2 * PART_BYTES) {
		size_t count = cut(text, size, parts);
		if (count > 1 && parse_parts(set, parts, count, size, progress) == 0)
			return 0;
	}
	return parse_whole(set, name, text, size, progress, error);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Reads to the end, also what has no size, such as a pipe. */
static int read_all(int file, size_t expected, char **text, size_t *size)
{
	size_t capacity = expected + 1;

	*text = arq_large_alloc(capacity, 1);
	*size = 0;
	for (;;) {
		if (!*text)
			return -ENOMEM;
		ssize_t got = read(file, *text + *size, capacity - *size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		*size += (size_t)got;
		if (*size > FILE_BYTES_MAX)
			return -EFBIG;
		if (*size < capacity)
			continue;
		capacity *= 2;
		char *larger = realloc(*text, capacity);
		if (!larger)
			return -ENOMEM;
		*text = larger;
	}
}

int arq_set_read_text(const char *path, char **text, size_t *size, struct arq_error *error)
{
	bool standard = strcmp(path, "-") == 0;
	struct stat about;

	*text = NULL;
	*size = 0;
	int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int status = file < 0 ? -errno : 0;
	if (status == 0 && fstat(file, &about))
		status = -errno;
	if (status == 0)
		status = about.st_size > FILE_BYTES_MAX
				 ? -EFBIG
				 : read_all(file, (size_t)about.st_size, text, size);
	if (file >= 0 && !standard)
		close(file);
	if (status == 0)
		return 0;
	free(*text);
	*text = NULL;
	return arq_error_set(error, status,
			     "cannot read the list of prefixes '%s': %s; check the name and who "
			     "may read it",
			     path, strerror(-status));
}

int arq_set_read_file(struct arq_set *set, const char *path,
		      const struct arq_set_progress *progress, struct arq_error *error)
{
	size_t size = 0;
	char *text = NULL;

	int status = arq_set_read_text(path, &text, &size, error);
	if (status == 0)
		status = arq_set_parse(set, path, text, size, progress, error);
	free(text);
	return status;
}
