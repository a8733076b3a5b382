/* SPDX-License-Identifier: MIT */
#include "elf_look.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned traits;
} functions[] = {
    {"close", TRAIT_CLOSES},
    {"fclose", TRAIT_CLOSES},
    {"freopen", TRAIT_CLOSES},
    {"dup2", TRAIT_CLOSES},
    {"dup3", TRAIT_CLOSES},
    {"shutdown", TRAIT_CLOSES},
    {"close_range", TRAIT_CLOSES | TRAIT_CLOSES_ALL},
    {"closefrom", TRAIT_CLOSES | TRAIT_CLOSES_ALL},
    {"syscall", TRAIT_SYSCALL},
    {"dlopen", TRAIT_DLOPEN},
    {"dlmopen", TRAIT_DLOPEN | TRAIT_DLMOPEN},
    {"seccomp_load", TRAIT_SECCOMP},
    {"io_uring_queue_init", TRAIT_URING},
    {"io_uring_queue_init_params", TRAIT_URING},
    {"io_uring_submit", TRAIT_URING},
    {"setuid", TRAIT_PRIVILEGES},
    {"setresuid", TRAIT_PRIVILEGES},
    {"chroot", TRAIT_PRIVILEGES},
};

static const struct {
    const char *start; /* of the library's DT_NEEDED name */
    unsigned traits;
} libraries[] = {
    {"liburing.so", TRAIT_URING},
    {"libseccomp.so", TRAIT_SECCOMP},
};

static unsigned traits_of_function(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(name, functions[i].name) == 0)
            return functions[i].traits;
    return 0;
}

static unsigned traits_of_library(const char *name)
{
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strncmp(name, libraries[i].start, strlen(libraries[i].start)) == 0)
            return libraries[i].traits;
    return 0;
}

/* What it calls and does not define itself. */
static unsigned look_at_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    unsigned traits = 0;

    for (size_t i = 0; data && header->sh_entsize && i < header->sh_size / header->sh_entsize;
         i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx != SHN_UNDEF)
            continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (name)
            traits |= traits_of_function(name);
    }
    return traits;
}

static unsigned look_at_libraries(Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    unsigned traits = 0;

    for (size_t i = 0; data && header->sh_entsize && i < header->sh_size / header->sh_entsize;
         i++) {
        GElf_Dyn entry;
        if (!gelf_getdyn(data, (int)i, &entry) || entry.d_tag != DT_NEEDED)
            continue;
        const char *name = elf_strptr(elf, header->sh_link, entry.d_un.d_val);
        if (name)
            traits |= traits_of_library(name);
    }
    return traits;
}

/* "mov $number, %eax" and shortly after it "syscall". */
static bool calls_x86_64(const uint8_t *code, size_t size, uint32_t number)
{
    enum { NEAR = 24 };
    const uint8_t load[] = {0xb8, (uint8_t)number, (uint8_t)(number >> 8), 0, 0};
    const uint8_t instruction[] = {0x0f, 0x05};

    for (const uint8_t *at = code, *end = code + size;
         (at = memmem(at, (size_t)(end - at), load, sizeof load)) != NULL; at += sizeof load) {
        size_t left = (size_t)(end - at) - sizeof load;
        if (memmem(at + sizeof load, left < NEAR ? left : NEAR, instruction, sizeof instruction))
            return true;
    }
    return false;
}

/* "mov x8, #number" and shortly after it "svc #0". */
static bool calls_aarch64(const uint8_t *code, size_t size, uint32_t number)
{
    enum { NEAR = 6 };
    const uint32_t load = 0xd2800008u | number << 5, instruction = 0xd4000001u;
    size_t words = size / sizeof(uint32_t), since = NEAR;

    for (size_t i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, code + i * sizeof word, sizeof word);
        if (word == load)
            since = 0;
        else if (word == instruction && since < NEAR)
            return true;
        else if (since < NEAR)
            since++;
    }
    return false;
}

static unsigned look_at_code(Elf_Scn *section, int machine)
{
    Elf_Data *data = elf_getdata(section, NULL);
    unsigned traits = 0;

    if (!data || !data->d_buf)
        return 0;
    if (machine == EM_X86_64) {
        traits |= calls_x86_64(data->d_buf, data->d_size, 3) ? TRAIT_OWN_CLOSE : 0;
        traits |= calls_x86_64(data->d_buf, data->d_size, 425) ? TRAIT_OWN_URING : 0;
    } else if (machine == EM_AARCH64) {
        traits |= calls_aarch64(data->d_buf, data->d_size, 57) ? TRAIT_OWN_CLOSE : 0;
        traits |= calls_aarch64(data->d_buf, data->d_size, 425) ? TRAIT_OWN_URING : 0;
    }
    return traits;
}

static unsigned look_at_sections(Elf *elf, int machine)
{
    unsigned traits = 0;
    Elf_Scn *section = NULL;

    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
            continue;
        if (header.sh_type == SHT_DYNSYM)
            traits |= look_at_symbols(elf, section, &header);
        else if (header.sh_type == SHT_DYNAMIC)
            traits |= look_at_libraries(elf, section, &header);
        else if ((header.sh_flags & SHF_EXECINSTR) != 0)
            traits |= look_at_code(section, machine);
    }
    return traits;
}

bool elf_look(const char *path, unsigned *traits, const char **why)
{
    GElf_Ehdr header;
    Elf *elf = NULL;
    size_t sections = 0;
    bool good = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *traits |= TRAIT_UNSEEN;
    *why = strerror(errno);
    if (fd < 0)
        return false;
    *why = "it is no ELF file";
    if (elf_version(EV_CURRENT) != EV_NONE &&
        (elf = elf_begin(fd, ELF_C_READ_MMAP, NULL)) != NULL && elf_kind(elf) == ELF_K_ELF &&
        gelf_getehdr(elf, &header)) {
        good = elf_getshdrnum(elf, &sections) == 0 && sections > 0;
        *why = "it has no section headers";
    }
    if (good)
        *traits = (*traits & ~(unsigned)TRAIT_UNSEEN) | look_at_sections(elf, header.e_machine);
    elf_end(elf);
    close(fd);
    return good;
}
