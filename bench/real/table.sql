-- SPDX-License-Identifier: MIT
-- Builds a table and queries it. ROWS stands for the number of rows.
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, town INTEGER,
	age INTEGER, note TEXT);
BEGIN;
WITH RECURSIVE count(i) AS (SELECT 1 UNION ALL
	SELECT i + 1 FROM count WHERE i < ROWS)
INSERT INTO person SELECT i, printf('name %x', i * 2654435761 % 4294967296),
	i * 7919 % 1000, i * 31 % 90,
	substr(printf('%.*c', 200, 'x'), 1, i * 17 % 200) FROM count;
COMMIT;
CREATE INDEX person_name ON person (name);
CREATE INDEX person_town ON person (town, age);
SELECT town, count(*), avg(age), max(length(note)) FROM person
	GROUP BY town ORDER BY 2 DESC, 1 LIMIT 5;
SELECT count(DISTINCT substr(name, 6, 4)) FROM person;
SELECT a.id, b.id FROM person a JOIN person b
	ON a.town = b.town AND a.age = b.age AND a.id < b.id
	WHERE a.id % 37 = 0 ORDER BY a.name DESC, b.name LIMIT 5;
SELECT length(group_concat(name || note)) FROM person;
UPDATE person SET note = note || name WHERE id % 3 = 0;
DELETE FROM person WHERE id % 5 = 0;
SELECT name, note FROM person ORDER BY note, name LIMIT 5 OFFSET 1000;
WITH word(w) AS (SELECT name FROM person WHERE town < 200)
	SELECT count(*) FROM word, person WHERE person.name = upper(w) OR
	person.name = lower(w);
SELECT sum(length(replace(upper(note), 'X', 'yz'))) FROM person;
