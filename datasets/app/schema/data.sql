-- Fills the tables from a seed. :seed, :users, :tasks, :events, :attendees, :sessions and :notifications are numbers.
-- Every value is a function of the seed and the row's number; only the newest stamp is the present time.

-- Returns a number in [0, 1) that depends on row, column and seed.
CREATE FUNCTION seeded(i bigint, k integer, seed integer) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (hashint8extended(i, seed::bigint * 1000 + k) & 4503599627370495)::float8 / 4503599627370496 $$;
-- Returns an identifier in 1..n with Zipf's law, exponent 0.6: the first is the most frequent one.
CREATE FUNCTION zipf(u float8, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT least(n, 1 + floor(n * power(u, 2.5))::bigint) $$;
-- Returns the name of project p, 0 <= p < 600. The load generator has the same function.
CREATE FUNCTION project(p integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (ARRAY['Bal','Cor','Dun','Fal','Gar','Hel','Kes','Lor','Mon','Nar','Per','Tor'])[1 + p % 12]
       || (ARRAY['an','bri','cot','dem','el','fir','gon','hi','jo','ka'])[1 + p / 12 % 10]
       || (ARRAY['dale','mere','rix','ton','vane'])[1 + p / 120] $$;

INSERT INTO users (id, email, name, team_id, locale, version, settings, avatar, created_at)
SELECT i, 'User.' || i || '@Example.org', 'User ' || i, 1 + zipf(seeded(i, 1, :seed), greatest(:users / 40, 1)) % 1000,
       (ARRAY['en','en','en','de','fr','pt','ja'])[1 + floor(7 * seeded(i, 2, :seed))::int], 1,
       jsonb_build_object('theme', CASE WHEN seeded(i, 3, :seed) < 0.3 THEN 'dark' ELSE 'light' END, 'digest', 'weekly',
                          'columns', jsonb_build_array('title', 'due', 'status')),
       decode((SELECT string_agg(md5(i || ':' || j || ':' || :seed), '') FROM generate_series(1, 160) j), 'hex'),
       now() - interval '900 days' * (1 - i::float8 / :users)
FROM generate_series(1, :users) i;

INSERT INTO tasks (id, owner_id, assignee_id, team_id, title, status, priority, due_at, description, payload, created_at, updated_at)
SELECT i, owner_id, assignee_id, 1 + owner_id % 40,
       (ARRAY['Review','Prepare','Fix','Write','Plan','Check','Update','Order'])[1 + floor(8 * seeded(i, 3, :seed))::int] || ' '
         || (ARRAY['budget','report','release','contract','slides','invoice','backup','draft','survey','roadmap'])[1 + floor(10 * seeded(i, 4, :seed))::int]
         || ' for ' || project(floor(600 * power(seeded(i, 5, :seed), 1.5))::int),
       CASE WHEN age < 0.10 AND u < 0.25 OR u < 0.007 THEN 'open' WHEN age < 0.10 AND u < 0.4 THEN 'in_progress'
            WHEN age > 0.6 AND u < 0.5 THEN 'archived' ELSE 'done' END,
       1 + floor(5 * power(seeded(i, 7, :seed), 2))::int,
       CASE WHEN seeded(i, 8, :seed) < 0.7 THEN created_at + interval '60 days' * seeded(i, 9, :seed) END,
       repeat('Agree on scope and dates, then send the draft to the team. ', 1 + floor(7 * power(seeded(i, 10, :seed), 2))::int),
       jsonb_build_object('source', CASE WHEN u < 0.5 THEN 'web' ELSE 'import' END, 'estimate', floor(8 * u), 'labels',
                          jsonb_build_array('l' || floor(20 * u), 'm' || floor(9 * u)), 'ref', md5(i::text)),
       created_at, created_at + interval '10 days' * u
FROM (SELECT i, zipf(seeded(i, 1, :seed), :users) AS owner_id, zipf(seeded(i, 2, :seed), :users) AS assignee_id,
             seeded(i, 6, :seed) AS u, 1 - i::float8 / :tasks AS age, now() - interval '720 days' * (1 - i::float8 / :tasks) AS created_at
      FROM generate_series(1, :tasks) i) row;

INSERT INTO calendar_events (id, owner_id, title, location, description, starts_at, ends_at, provider_ref, updated_at)
SELECT i, zipf(seeded(i, 11, :seed), :users),
       (ARRAY['Standup','Review','Interview','Planning','Lunch','Call'])[1 + floor(6 * seeded(i, 12, :seed))::int] || ' ' || i,
       'Room ' || floor(60 * seeded(i, 13, :seed)), repeat('Agenda follows by mail. ', 1 + floor(12 * seeded(i, 14, :seed))::int),
       starts_at, starts_at + interval '15 minutes' * (1 + floor(6 * seeded(i, 15, :seed))),
       CASE WHEN seeded(i, 16, :seed) < 0.6 THEN md5('p' || i) END, starts_at - interval '3 days'
FROM (SELECT i, date_trunc('hour', now()) + interval '60 days' - interval '720 days' * (1 - i::float8 / :events)
             + interval '15 minutes' * floor(96 * seeded(i, 17, :seed)) AS starts_at FROM generate_series(1, :events) i) row;

-- Answers arrive in any order, so that the attendees of an event are in different pages.
INSERT INTO attendees (id, event_id, user_id, response)
SELECT i, 1 + floor(:events * seeded(i, 21, :seed))::bigint, zipf(seeded(i, 22, :seed), :users),
       (ARRAY['accepted','accepted','accepted','declined','tentative'])[1 + floor(5 * seeded(i, 23, :seed))::int]
FROM generate_series(1, :attendees) i;

INSERT INTO user_sessions (id, user_id, refresh_hash, user_agent, created_at, expires_at)
SELECT i, zipf(seeded(i, 31, :seed), :users), encode(sha256(('rt-' || :seed || '-' || i)::bytea), 'hex'),
       'Mozilla/5.0 (X11; Linux x86_64) Client/' || floor(40 * seeded(i, 32, :seed)),
       created_at, created_at + interval '45 days'
FROM (SELECT i, now() - interval '60 days' * (1 - i::float8 / :sessions) AS created_at FROM generate_series(1, :sessions) i) row;

INSERT INTO notifications (id, user_id, actor_id, task_id, kind, body, created_at, read_at)
SELECT i, zipf(seeded(i, 41, :seed), :users), zipf(seeded(i, 42, :seed), :users), 1 + floor(:tasks * (1 - power(seeded(i, 43, :seed), 3)))::bigint,
       (ARRAY['mention','status','due','invite'])[1 + floor(4 * seeded(i, 44, :seed))::int], 'Something changed in a task that you follow.',
       created_at, CASE WHEN age > 0.05 AND seeded(i, 45, :seed) < 0.93 THEN created_at + interval '8 hours' END
FROM (SELECT i, 1 - i::float8 / :notifications AS age, now() - interval '180 days' * (1 - i::float8 / :notifications) AS created_at
      FROM generate_series(1, :notifications) i) row;

SELECT setval(pg_get_serial_sequence(name, 'id'), n)
FROM (VALUES ('users', :users), ('tasks', :tasks), ('calendar_events', :events), ('attendees', :attendees),
             ('user_sessions', :sessions), ('notifications', :notifications)) t (name, n);
ALTER TABLE tasks ADD FOREIGN KEY (owner_id) REFERENCES users, ADD FOREIGN KEY (assignee_id) REFERENCES users;
ALTER TABLE calendar_events ADD FOREIGN KEY (owner_id) REFERENCES users;
ALTER TABLE attendees ADD FOREIGN KEY (event_id) REFERENCES calendar_events;
ALTER TABLE user_sessions ADD FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE notifications ADD FOREIGN KEY (user_id) REFERENCES users;
