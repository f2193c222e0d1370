-- What a server holds around its databases, for psql on the database postgres of a fresh server: roles and what they may, settings of
-- databases and roles, privileges on databases, an awkward name, an empty database. fixture.sql fills the database "fixture".
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE ROLE shop_owner LOGIN PASSWORD 'owner''s secret' CONNECTION LIMIT 7 VALID UNTIL '2040-01-01 00:00:00+00';
CREATE ROLE "shop reader" NOLOGIN;
CREATE ROLE auditor LOGIN NOINHERIT CREATEDB;
GRANT "shop reader" TO auditor WITH ADMIN OPTION;
GRANT pg_read_all_stats TO auditor;
ALTER ROLE auditor SET statement_timeout = '42s';
ALTER ROLE ALL SET lock_timeout = '11s';
COMMENT ON ROLE auditor IS 'looks, and does not touch';

CREATE DATABASE fixture OWNER shop_owner;
CREATE DATABASE "small one" OWNER auditor ENCODING 'UTF8' TEMPLATE template0 CONNECTION LIMIT 5;
CREATE DATABASE "empty" TEMPLATE template0;
ALTER DATABASE "small one" SET work_mem = '5MB';
ALTER DATABASE "small one" SET search_path = "$user", public, "sales 2";
ALTER DATABASE "small one" SET "DateStyle" = 'SQL, DMY';
ALTER ROLE auditor IN DATABASE "small one" SET application_name = 'it''s = an audit; "really"';
COMMENT ON DATABASE "small one" IS 'what''s in a name';
REVOKE ALL ON DATABASE "small one" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE "small one" TO "shop reader" WITH GRANT OPTION;
SET ROLE "shop reader";
GRANT CONNECT ON DATABASE "small one" TO shop_owner;
RESET ROLE;

\connect 'small one'
SET client_min_messages = warning;
CREATE TABLE "we ird ""table""; --" ("col""umn
with a line" int, "ünïcödé 🐘" text, "%s \n" text);
INSERT INTO "we ird ""table""; --" SELECT i, repeat('é', i % 50), chr(200 + i) FROM generate_series(1, 200) i;
CREATE VIEW "v'iew" AS SELECT * FROM "we ird ""table""; --";
SELECT lo_from_bytea(4711, decode(repeat('00ff5c0a', 5000), 'hex')) \g /dev/null
ALTER LARGE OBJECT 4711 OWNER TO shop_owner;
