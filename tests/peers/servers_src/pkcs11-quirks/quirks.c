/* A PKCS#11 module that passes every call on to another one, except for the quirks that PKCS11_QUIRKS names.
 *
 * PKCS11_QUIRKS_MODULE is the path of the other module. PKCS11_QUIRKS has rules, separated by semicolons:
 *
 *     FUNCTION ARGUMENT CALLS ANSWER
 *
 * FUNCTION is one of `wrapped` below. ARGUMENT is what the function is asked for, a number or `*`: the slot, the
 * attribute, the class that is searched, the mechanism, the type of user, the flags of a session.
 * CALLS is `*`, `N` (only the Nth call that fits) or `N+` (it and all later ones). Numbers are as C writes them.
 * ANSWER is one of
 *
 *     return CODE           this return code; the other module is not asked
 *     after CODE            the same, after the other module was asked (functions without a structure)
 *     value HEX             C_GetAttributeValue: this value of the attribute
 *     field OFFSET HEX      C_GetSlotInfo, C_GetTokenInfo: these bytes of the structure
 *     clear OFFSET BITS     the same: flags that are missing
 *     set OFFSET BITS       the same: flags that are there
 *     length N              C_GetMechanismList, C_FindObjects: N entries at most
 *     exactly N             C_Sign: only a buffer of N bytes will do; the length alone is answered as 2 N
 *
 * `C_GetAttributeValue` fits once for every attribute of a call; `C_GetAttributeValues` fits a call for several.
 * The count of calls starts again when PKCS11_QUIRKS changes. One thread at a time.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long num; /* CK_ULONG and CK_RV on Linux */
typedef unsigned char byte;
typedef struct { num type; void *value; num size; } attribute;
typedef num (*function)(num, num, num, num, num, num, num, num);
typedef struct { byte major, minor; function call[68]; } function_list;

enum { ok = 0, general_error = 5, buffer_too_small = 0x150, unavailable = -1 };

/* The functions of PKCS#11 2.40 that rules may name, by their places in CK_FUNCTION_LIST. */
enum {
    initialize = 0, finalize = 1, get_info = 2, get_function_list = 3, get_slot_list = 4, get_slot_info = 5,
    get_token_info = 6, get_mechanism_list = 7, get_mechanism_info = 8, open_session = 12, close_session = 13,
    get_session_info = 15, login = 18, logout = 19, get_attribute_value = 24, find_init = 26, find = 27,
    find_final = 28, sign_init = 42, sign = 43, generate_pair = 59
};

static function_list *real, ours;
static char *known;    /* the rules that `rules` was read from */
static struct rule {
    char function[32], argument[24], calls[16], kind[16], first[2048], second[160];
    num seen; /* the calls that fitted */
} rules[32];
static int count;

static void read_rules(void) {
    const char *now = getenv("PKCS11_QUIRKS");
    now = now ? now : "";
    if (known && !strcmp(known, now)) return;
    free(known);
    known = strdup(now);
    char *copy = strdup(now), *rest = copy, *text;
    for (count = 0; count < 32 && (text = strsep(&rest, ";"));) {
        struct rule *rule = &rules[count];
        memset(rule, 0, sizeof *rule);
        if (sscanf(text, "%31s %23s %15s %15s %2047s %159s", rule->function, rule->argument, rule->calls, rule->kind,
                   rule->first, rule->second) >= 5)
            count++;
    }
    free(copy);
}

static num number(const char *text) { return strtoul(text, NULL, 0); }

/* The next rule after `from` of this kind that fits this call and is due. The kind "change" is every one but "return". */
static struct rule *due(struct rule *from, const char *kind, const char *name, num argument) {
    if (!from) read_rules();
    for (struct rule *rule = from ? from + 1 : rules; rule < rules + count; rule++) {
        if (strcmp(rule->function, name)) continue;
        if (strcmp(kind, "change") ? strcmp(kind, rule->kind) : !strcmp("return", rule->kind)) continue;
        if (rule->argument[0] != '*' && number(rule->argument) != argument) continue;
        num call = ++rule->seen, wanted = number(rule->calls);
        if (rule->calls[0] == '*' || call == wanted || (call > wanted && strchr(rule->calls, '+'))) return rule;
    }
    return NULL;
}

static struct rule *of_kind(const char *kind, const char *name, num argument) {
    return due(NULL, kind, name, argument);
}

static num unhex(const char *text, byte *bytes) {
    num size = 0;
    unsigned value;
    if (!strcmp(text, "-")) return 0;
    for (; sscanf(text, "%2x", &value) == 1; text += 2) bytes[size++] = (byte)value;
    return size;
}

#define PARAMETERS num a, num b, num c, num d, num e, num f, num g, num h
#define PASS_ON(place) real->call[place](a, b, c, d, e, f, g, h)
/* A function whose rules only have return codes. */
#define WRAPPED(place, name, argument)                                \
    static num wrapped_##place(PARAMETERS) {                          \
        struct rule *rule = of_kind("return", name, (num)(argument)); \
        if (rule) return number(rule->first);                         \
        num answer = PASS_ON(place);                                  \
        rule = of_kind("after", name, (num)(argument));               \
        return rule ? number(rule->first) : answer;                   \
    }
/* The same for a function that fills the structure `b` about the slot `a`. */
#define DESCRIBED(place, name)                                                   \
    static num wrapped_##place(PARAMETERS) {                                     \
        struct rule *rule = of_kind("return", name, a);                          \
        if (rule) return number(rule->first);                                    \
        num answer = PASS_ON(place);                                             \
        while (answer == ok && (rule = due(rule, "change", name, a)))            \
            change((byte *)b + number(rule->first), rule->kind, rule->second);   \
        return answer;                                                           \
    }

static void change(byte *place, const char *kind, const char *text) {
    num flags;
    memcpy(&flags, place, sizeof flags);
    if (!strcmp(kind, "clear")) flags &= ~number(text);
    if (!strcmp(kind, "set")) flags |= number(text);
    if (!strcmp(kind, "field")) unhex(text, place);
    else memcpy(place, &flags, sizeof flags);
}

WRAPPED(initialize, "C_Initialize", a != 0)
WRAPPED(finalize, "C_Finalize", 0)
WRAPPED(get_info, "C_GetInfo", 0)
WRAPPED(get_slot_list, "C_GetSlotList", b != 0)
DESCRIBED(get_slot_info, "C_GetSlotInfo")
DESCRIBED(get_token_info, "C_GetTokenInfo")
WRAPPED(get_mechanism_info, "C_GetMechanismInfo", b)
WRAPPED(get_session_info, "C_GetSessionInfo", 0)
WRAPPED(login, "C_Login", b)
WRAPPED(logout, "C_Logout", 0)
WRAPPED(find_final, "C_FindObjectsFinal", 0)
WRAPPED(sign_init, "C_SignInit", *(num *)b)
WRAPPED(generate_pair, "C_GenerateKeyPair", *(num *)b)

int quirks_open_sessions; /* for tests: SoftHSM does not count them */

static num wrapped_open_session(PARAMETERS) {
    struct rule *rule = of_kind("return", "C_OpenSession", b);
    if (rule) return number(rule->first);
    num answer = PASS_ON(open_session);
    quirks_open_sessions += answer == ok;
    return answer;
}

static num wrapped_close_session(PARAMETERS) {
    struct rule *rule = of_kind("return", "C_CloseSession", 0);
    if (rule) return number(rule->first);
    num answer = PASS_ON(close_session);
    quirks_open_sessions -= answer == ok;
    return answer;
}

static num wrapped_get_mechanism_list(PARAMETERS) {
    struct rule *rule = of_kind("return", "C_GetMechanismList", a);
    if (rule) return number(rule->first);
    num answer = PASS_ON(get_mechanism_list);
    if ((rule = of_kind("length", "C_GetMechanismList", a))) *(num *)c = number(rule->first);
    return answer;
}

static num wrapped_find_init(PARAMETERS) {
    attribute *template = (attribute *)b;
    num class = unavailable;
    for (num at = 0; at < c; at++) {
        if (template[at].type == 0) class = *(num *)template[at].value;
        struct rule *rule = of_kind("return", "C_FindObjectsInit.with", template[at].type);
        if (rule) return number(rule->first);
    }
    struct rule *rule = of_kind("return", "C_FindObjectsInit", class);
    return rule ? number(rule->first) : PASS_ON(find_init);
}

static num wrapped_find(PARAMETERS) {
    struct rule *rule = of_kind("return", "C_FindObjects", 0);
    if (rule) return number(rule->first);
    if ((rule = of_kind("length", "C_FindObjects", 0)) && c > number(rule->first)) c = number(rule->first);
    return PASS_ON(find);
}

static num wrapped_get_attribute_value(PARAMETERS) {
    attribute *asked = (attribute *)c;
    struct rule *rule = d > 1 ? of_kind("return", "C_GetAttributeValues", d) : NULL;
    if (rule) return number(rule->first);
    num answer = ok;
    for (num at = 0; at < d; at++) {
        num one;
        if ((rule = of_kind("return", "C_GetAttributeValue", asked[at].type))) {
            one = number(rule->first);
            asked[at].size = unavailable;
        } else if ((rule = of_kind("value", "C_GetAttributeValue", asked[at].type))) {
            byte value[1024];
            num size = unhex(rule->first, value);
            one = asked[at].value && asked[at].size < size ? buffer_too_small : ok;
            if (asked[at].value && one == ok) memcpy(asked[at].value, value, size);
            asked[at].size = size;
        } else
            one = real->call[get_attribute_value](a, b, (num)&asked[at], 1, 0, 0, 0, 0);
        if (one != ok) answer = one;
    }
    return answer;
}

static num wrapped_sign(PARAMETERS) {
    struct rule *rule = d ? of_kind("return", "C_Sign", 0) : NULL;
    if (rule) return number(rule->first);
    if ((rule = of_kind("exactly", "C_Sign", 0))) {
        num size = number(rule->first);
        if (!d) return *(num *)e = 2 * size, ok;
        if (*(num *)e != size) return 7; /* CKR_ARGUMENTS_BAD */
    }
    return PASS_ON(sign);
}

num C_GetFunctionList(function_list **list) {
    const char *path = getenv("PKCS11_QUIRKS_MODULE");
    void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    num (*get)(function_list **) = module ? (num (*)(function_list **))dlsym(module, "C_GetFunctionList") : NULL;
    if (!get) {
        fprintf(stderr, "pkcs11-quirks: PKCS11_QUIRKS_MODULE names no module\n");
        return general_error;
    }
    num answer = get(&real);
    if (answer != ok) return answer;
    ours = *real;
    ours.call[get_function_list] = (function)C_GetFunctionList;
#define USE(place) ours.call[place] = wrapped_##place
    USE(initialize), USE(finalize), USE(get_info), USE(get_slot_list), USE(get_slot_info), USE(get_token_info);
    USE(get_mechanism_list), USE(get_mechanism_info), USE(open_session), USE(close_session), USE(get_session_info);
    USE(login), USE(logout), USE(get_attribute_value), USE(find_init), USE(find), USE(find_final), USE(sign_init);
    USE(sign), USE(generate_pair);
    *list = &ours;
    return ok;
}
