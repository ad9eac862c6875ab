# BPF objects and their skeletons.
#
# arq_bpf_object(NAME SOURCE) compiles SOURCE (a .bpf.c) to ${CMAKE_BINARY_DIR}/bpf/NAME.bpf.o; tests
# and the bench load such files. arq_bpf_skeleton(NAME SOURCE) also makes NAME.skel.h beside it, with
# the object embedded as `struct NAME_bpf`; the names of both files come back in NAME_BPF_OBJECT and
# NAME_BPF_SKELETON.
#
# The objects are reproducible: no absolute path gets into the type or line information, and
# `bpftool gen object` leaves DWARF behind.
find_program(ARQ_BPF_CLANG NAMES clang clang-19 clang-16 clang-14 REQUIRED)
# Debian keeps it out of an ordinary user's PATH.
find_program(ARQ_BPFTOOL NAMES bpftool HINTS /usr/sbin /sbin REQUIRED)

set(ARQ_BPF_DIRECTORY ${CMAKE_BINARY_DIR}/bpf)
file(MAKE_DIRECTORY ${ARQ_BPF_DIRECTORY})

set(ARQ_BPF_FLAGS
	-target bpf -mcpu=v3 -O2 -g -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter
	-fno-ident -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -fdebug-prefix-map=${CMAKE_SOURCE_DIR}=.
	-fdebug-compilation-dir=.
	-I${CMAKE_SOURCE_DIR}/include -I${CMAKE_SOURCE_DIR})
# asm/types.h and its like live in the multiarch directory, which the bpf target does not search.
if(CMAKE_LIBRARY_ARCHITECTURE)
	list(APPEND ARQ_BPF_FLAGS -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
endif()

function(arq_bpf_object name source)
	get_filename_component(source ${source} ABSOLUTE)
	set(object ${ARQ_BPF_DIRECTORY}/${name}.bpf.o)
	set(raw ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.raw.o)
	add_custom_command(
		OUTPUT ${object}
		COMMAND ${ARQ_BPF_CLANG} ${ARQ_BPF_FLAGS} -MD -MT ${object} -MF ${raw}.d
			-c ${source} -o ${raw}
		COMMAND ${ARQ_BPFTOOL} gen object ${object} ${raw}
		DEPENDS ${source}
		DEPFILE ${raw}.d
		COMMENT "Compiling ${name}.bpf.o"
		VERBATIM)
	set(${name}_BPF_OBJECT ${object} PARENT_SCOPE)
endfunction()

function(arq_bpf_skeleton name source)
	arq_bpf_object(${name} ${source})
	set(skeleton ${ARQ_BPF_DIRECTORY}/${name}.skel.h)
	add_custom_command(
		OUTPUT ${skeleton}
		# bpftool prints it, and a shell's redirection would leave half a file behind on failure. It
		# is not our code to check.
		COMMAND sh -ec "{ echo // NOLINTBEGIN; \"$1\" gen skeleton \"$2\" name \"$3\"; echo // NOLINTEND; } > \"$4.new\"; mv \"$4.new\" \"$4\""
			sh ${ARQ_BPFTOOL} ${${name}_BPF_OBJECT} ${name}_bpf ${skeleton}
		DEPENDS ${${name}_BPF_OBJECT}
		COMMENT "Making ${name}.skel.h"
		VERBATIM)
	set(${name}_BPF_OBJECT ${${name}_BPF_OBJECT} PARENT_SCOPE)
	set(${name}_BPF_SKELETON ${skeleton} PARENT_SCOPE)
endfunction()
