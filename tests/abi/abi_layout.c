// SPDX-License-Identifier: GPL-2.0-only
#include "abi_layout.h"

#include <mus/abi.h>

#define NUMBER(e) {#e, (unsigned long long)(e)},
#define SIZE(type) {"sizeof " #type, sizeof(struct type)},
#define AT(type, field) {#type "." #field, offsetof(struct type, field)},

const struct mus_abi_number mus_abi_c_numbers[] = {MUS_ABI_NUMBERS(NUMBER, SIZE, AT)};
const size_t mus_abi_c_number_count = sizeof(mus_abi_c_numbers) / sizeof(mus_abi_c_numbers[0]);
