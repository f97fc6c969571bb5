/* A Lua script compiled in from scripts/<name>.lua beside the module that uses it. */
#ifndef TOCSIN_REDIS_SCRIPT_H
#define TOCSIN_REDIS_SCRIPT_H

struct redis_script {
    const char *name;
    const char *body;
};

#endif
