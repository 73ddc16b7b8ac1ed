/* schema.h - the schema this build speaks: the number of the newest file in
 * migrations/, as kep.schema_version() gives it once that file is applied. */
#ifndef KEP_SCHEMA_H
#define KEP_SCHEMA_H

#define SCHEMA_VERSION 12

#endif
