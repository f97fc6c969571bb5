/* Files of the browser's pages (TOCSIN_WEB_DIR), as web/build.mjs lays them out. */
#ifndef TOCSIN_API_WEB_FILES_H
#define TOCSIN_API_WEB_FILES_H

#include "net/http.h"

/*
 * Answers with the file, compressed if there is a twin and the client takes it. `folder` ("" or
 * "assets/") is ours, `name` may come from a client: only [A-Za-z0-9._-], no leading dot, and one
 * of the known extensions. Assets have their content's hash in their names, and may be kept for
 * ever. ST_NOT_FOUND without a reply: there is no such file.
 */
NODISCARD enum status web_file_reply(struct req *r, const char *folder, const char *name);

#endif
