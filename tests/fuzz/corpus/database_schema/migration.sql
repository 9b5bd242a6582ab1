create table a (id serial primary key, name varchar(20) unique, b int8 references b(id)); create unique index u on a (at desc) where name is not null; alter table a drop column name; COPY a (id) FROM stdin;
1
\.
DROP TABLE a;