//! Names, object identifiers and columns of the relations of PostgreSQL 15's catalogue that clients ask for.

/// A relation of the catalogue: name, object identifier, and columns with their DuckDB types.
#[derive(Debug)]
pub(in crate::store) struct Relation {
    /// Name.
    pub(in crate::store) name: &'static str,
    /// Object identifier in PostgreSQL 15.
    pub(in crate::store) oid: u32,
    /// Columns as in a `CREATE TABLE`.
    pub(in crate::store) columns: &'static str,
}

const fn relation(name: &'static str, oid: u32, columns: &'static str) -> Relation {
    Relation { name, oid, columns }
}

/// The relations, sorted by name. Those that Almanac does not fill have no rows.
pub(in crate::store) const RELATIONS: &[Relation] = &[
    relation(
        "pg_aggregate",
        2600,
        "aggfnoid VARCHAR, aggkind VARCHAR, aggnumdirectargs SMALLINT, aggtransfn VARCHAR, aggfinalfn VARCHAR, \
         aggcombinefn VARCHAR, aggserialfn VARCHAR, aggdeserialfn VARCHAR, aggmtransfn VARCHAR, aggminvtransfn \
         VARCHAR, aggmfinalfn VARCHAR, aggfinalextra BOOLEAN, aggmfinalextra BOOLEAN, aggfinalmodify VARCHAR, \
         aggmfinalmodify VARCHAR, aggsortop BIGINT, aggtranstype BIGINT, aggtransspace INTEGER, aggmtranstype BIGINT, \
         aggmtransspace INTEGER, agginitval VARCHAR, aggminitval VARCHAR",
    ),
    relation("pg_am", 2601, "oid BIGINT, amname VARCHAR, amhandler VARCHAR, amtype VARCHAR"),
    relation("pg_attrdef", 2604, "oid BIGINT, adrelid BIGINT, adnum SMALLINT, adbin VARCHAR"),
    relation(
        "pg_attribute",
        1249,
        "attrelid BIGINT, attname VARCHAR, atttypid BIGINT, attstattarget INTEGER, attlen SMALLINT, attnum SMALLINT, \
         attndims INTEGER, attcacheoff INTEGER, atttypmod INTEGER, attbyval BOOLEAN, attalign VARCHAR, attstorage \
         VARCHAR, attcompression VARCHAR, attnotnull BOOLEAN, atthasdef BOOLEAN, atthasmissing BOOLEAN, attidentity \
         VARCHAR, attgenerated VARCHAR, attisdropped BOOLEAN, attislocal BOOLEAN, attinhcount INTEGER, attcollation \
         BIGINT, attacl VARCHAR[], attoptions VARCHAR[], attfdwoptions VARCHAR[], attmissingval VARCHAR",
    ),
    relation("pg_auth_members", 1261, "roleid BIGINT, member BIGINT, grantor BIGINT, admin_option BOOLEAN"),
    relation(
        "pg_authid",
        1260,
        "oid BIGINT, rolname VARCHAR, rolsuper BOOLEAN, rolinherit BOOLEAN, rolcreaterole BOOLEAN, rolcreatedb \
         BOOLEAN, rolcanlogin BOOLEAN, rolreplication BOOLEAN, rolbypassrls BOOLEAN, rolconnlimit INTEGER, \
         rolpassword VARCHAR, rolvaliduntil TIMESTAMP",
    ),
    relation(
        "pg_available_extensions",
        12081,
        "name VARCHAR, default_version VARCHAR, installed_version VARCHAR, comment VARCHAR",
    ),
    relation(
        "pg_cast",
        2605,
        "oid BIGINT, castsource BIGINT, casttarget BIGINT, castfunc BIGINT, castcontext VARCHAR, castmethod VARCHAR",
    ),
    relation(
        "pg_class",
        1259,
        "oid BIGINT, relname VARCHAR, relnamespace BIGINT, reltype BIGINT, reloftype BIGINT, relowner BIGINT, relam \
         BIGINT, relfilenode BIGINT, reltablespace BIGINT, relpages INTEGER, reltuples FLOAT, relallvisible INTEGER, \
         reltoastrelid BIGINT, relhasindex BOOLEAN, relisshared BOOLEAN, relpersistence VARCHAR, relkind VARCHAR, \
         relnatts SMALLINT, relchecks SMALLINT, relhasrules BOOLEAN, relhastriggers BOOLEAN, relhassubclass BOOLEAN, \
         relrowsecurity BOOLEAN, relforcerowsecurity BOOLEAN, relispopulated BOOLEAN, relreplident VARCHAR, \
         relispartition BOOLEAN, relrewrite BIGINT, relfrozenxid BIGINT, relminmxid BIGINT, relacl VARCHAR[], \
         reloptions VARCHAR[], relpartbound VARCHAR",
    ),
    relation(
        "pg_collation",
        3456,
        "oid BIGINT, collname VARCHAR, collnamespace BIGINT, collowner BIGINT, collprovider VARCHAR, \
         collisdeterministic BOOLEAN, collencoding INTEGER, collcollate VARCHAR, collctype VARCHAR, colliculocale \
         VARCHAR, collversion VARCHAR",
    ),
    relation(
        "pg_constraint",
        2606,
        "oid BIGINT, conname VARCHAR, connamespace BIGINT, contype VARCHAR, condeferrable BOOLEAN, condeferred \
         BOOLEAN, convalidated BOOLEAN, conrelid BIGINT, contypid BIGINT, conindid BIGINT, conparentid BIGINT, \
         confrelid BIGINT, confupdtype VARCHAR, confdeltype VARCHAR, confmatchtype VARCHAR, conislocal BOOLEAN, \
         coninhcount INTEGER, connoinherit BOOLEAN, conkey SMALLINT[], confkey SMALLINT[], conpfeqop BIGINT[], \
         conppeqop BIGINT[], conffeqop BIGINT[], confdelsetcols SMALLINT[], conexclop BIGINT[], conbin VARCHAR",
    ),
    relation(
        "pg_conversion",
        2607,
        "oid BIGINT, conname VARCHAR, connamespace BIGINT, conowner BIGINT, conforencoding INTEGER, contoencoding \
         INTEGER, conproc VARCHAR, condefault BOOLEAN",
    ),
    relation(
        "pg_cursors",
        12077,
        "name VARCHAR, statement VARCHAR, is_holdable BOOLEAN, is_binary BOOLEAN, is_scrollable BOOLEAN, \
         creation_time TIMESTAMP",
    ),
    relation(
        "pg_database",
        1262,
        "oid BIGINT, datname VARCHAR, datdba BIGINT, encoding INTEGER, datlocprovider VARCHAR, datistemplate BOOLEAN, \
         datallowconn BOOLEAN, datconnlimit INTEGER, datfrozenxid BIGINT, datminmxid BIGINT, dattablespace BIGINT, \
         datcollate VARCHAR, datctype VARCHAR, daticulocale VARCHAR, datcollversion VARCHAR, datacl VARCHAR[]",
    ),
    relation("pg_db_role_setting", 2964, "setdatabase BIGINT, setrole BIGINT, setconfig VARCHAR[]"),
    relation(
        "pg_default_acl",
        826,
        "oid BIGINT, defaclrole BIGINT, defaclnamespace BIGINT, defaclobjtype VARCHAR, defaclacl VARCHAR[]",
    ),
    relation(
        "pg_depend",
        2608,
        "classid BIGINT, objid BIGINT, objsubid INTEGER, refclassid BIGINT, refobjid BIGINT, refobjsubid INTEGER, \
         deptype VARCHAR",
    ),
    relation("pg_description", 2609, "objoid BIGINT, classoid BIGINT, objsubid INTEGER, description VARCHAR"),
    relation("pg_enum", 3501, "oid BIGINT, enumtypid BIGINT, enumsortorder FLOAT, enumlabel VARCHAR"),
    relation(
        "pg_event_trigger",
        3466,
        "oid BIGINT, evtname VARCHAR, evtevent VARCHAR, evtowner BIGINT, evtfoid BIGINT, evtenabled VARCHAR, evttags \
         VARCHAR[]",
    ),
    relation(
        "pg_extension",
        3079,
        "oid BIGINT, extname VARCHAR, extowner BIGINT, extnamespace BIGINT, extrelocatable BOOLEAN, extversion \
         VARCHAR, extconfig BIGINT[], extcondition VARCHAR[]",
    ),
    relation(
        "pg_foreign_data_wrapper",
        2328,
        "oid BIGINT, fdwname VARCHAR, fdwowner BIGINT, fdwhandler BIGINT, fdwvalidator BIGINT, fdwacl VARCHAR[], \
         fdwoptions VARCHAR[]",
    ),
    relation(
        "pg_foreign_server",
        1417,
        "oid BIGINT, srvname VARCHAR, srvowner BIGINT, srvfdw BIGINT, srvtype VARCHAR, srvversion VARCHAR, srvacl \
         VARCHAR[], srvoptions VARCHAR[]",
    ),
    relation("pg_foreign_table", 3118, "ftrelid BIGINT, ftserver BIGINT, ftoptions VARCHAR[]"),
    relation("pg_group", 12010, "groname VARCHAR, grosysid BIGINT, grolist BIGINT[]"),
    relation(
        "pg_index",
        2610,
        "indexrelid BIGINT, indrelid BIGINT, indnatts SMALLINT, indnkeyatts SMALLINT, indisunique BOOLEAN, \
         indnullsnotdistinct BOOLEAN, indisprimary BOOLEAN, indisexclusion BOOLEAN, indimmediate BOOLEAN, \
         indisclustered BOOLEAN, indisvalid BOOLEAN, indcheckxmin BOOLEAN, indisready BOOLEAN, indislive BOOLEAN, \
         indisreplident BOOLEAN, indkey SMALLINT[], indcollation BIGINT[], indclass BIGINT[], indoption SMALLINT[], \
         indexprs VARCHAR, indpred VARCHAR",
    ),
    relation(
        "pg_indexes",
        12043,
        "schemaname VARCHAR, tablename VARCHAR, indexname VARCHAR, tablespace VARCHAR, indexdef VARCHAR",
    ),
    relation("pg_inherits", 2611, "inhrelid BIGINT, inhparent BIGINT, inhseqno INTEGER, inhdetachpending BOOLEAN"),
    relation(
        "pg_language",
        2612,
        "oid BIGINT, lanname VARCHAR, lanowner BIGINT, lanispl BOOLEAN, lanpltrusted BOOLEAN, lanplcallfoid BIGINT, \
         laninline BIGINT, lanvalidator BIGINT, lanacl VARCHAR[]",
    ),
    relation(
        "pg_locks",
        12073,
        "locktype VARCHAR, database BIGINT, relation BIGINT, page INTEGER, tuple SMALLINT, virtualxid VARCHAR, \
         transactionid BIGINT, classid BIGINT, objid BIGINT, objsubid SMALLINT, virtualtransaction VARCHAR, pid \
         INTEGER, mode VARCHAR, granted BOOLEAN, fastpath BOOLEAN, waitstart TIMESTAMP",
    ),
    relation(
        "pg_matviews",
        12038,
        "schemaname VARCHAR, matviewname VARCHAR, matviewowner VARCHAR, tablespace VARCHAR, hasindexes BOOLEAN, \
         ispopulated BOOLEAN, definition VARCHAR",
    ),
    relation("pg_namespace", 2615, "oid BIGINT, nspname VARCHAR, nspowner BIGINT, nspacl VARCHAR[]"),
    relation(
        "pg_opclass",
        2616,
        "oid BIGINT, opcmethod BIGINT, opcname VARCHAR, opcnamespace BIGINT, opcowner BIGINT, opcfamily BIGINT, \
         opcintype BIGINT, opcdefault BOOLEAN, opckeytype BIGINT",
    ),
    relation(
        "pg_operator",
        2617,
        "oid BIGINT, oprname VARCHAR, oprnamespace BIGINT, oprowner BIGINT, oprkind VARCHAR, oprcanmerge BOOLEAN, \
         oprcanhash BOOLEAN, oprleft BIGINT, oprright BIGINT, oprresult BIGINT, oprcom BIGINT, oprnegate BIGINT, \
         oprcode VARCHAR, oprrest VARCHAR, oprjoin VARCHAR",
    ),
    relation(
        "pg_partitioned_table",
        3350,
        "partrelid BIGINT, partstrat VARCHAR, partnatts SMALLINT, partdefid BIGINT, partattrs SMALLINT[], partclass \
         BIGINT[], partcollation BIGINT[], partexprs VARCHAR",
    ),
    relation(
        "pg_policies",
        12018,
        "schemaname VARCHAR, tablename VARCHAR, policyname VARCHAR, permissive VARCHAR, roles VARCHAR[], cmd VARCHAR, \
         qual VARCHAR, with_check VARCHAR",
    ),
    relation(
        "pg_policy",
        3256,
        "oid BIGINT, polname VARCHAR, polrelid BIGINT, polcmd VARCHAR, polpermissive BOOLEAN, polroles BIGINT[], \
         polqual VARCHAR, polwithcheck VARCHAR",
    ),
    relation(
        "pg_prepared_statements",
        12095,
        "name VARCHAR, statement VARCHAR, prepare_time TIMESTAMP, parameter_types VARCHAR[], from_sql BOOLEAN, \
         generic_plans BIGINT, custom_plans BIGINT",
    ),
    relation(
        "pg_proc",
        1255,
        "oid BIGINT, proname VARCHAR, pronamespace BIGINT, proowner BIGINT, prolang BIGINT, procost FLOAT, prorows \
         FLOAT, provariadic BIGINT, prosupport VARCHAR, prokind VARCHAR, prosecdef BOOLEAN, proleakproof BOOLEAN, \
         proisstrict BOOLEAN, proretset BOOLEAN, provolatile VARCHAR, proparallel VARCHAR, pronargs SMALLINT, \
         pronargdefaults SMALLINT, prorettype BIGINT, proargtypes BIGINT[], proallargtypes BIGINT[], proargmodes \
         VARCHAR[], proargnames VARCHAR[], proargdefaults VARCHAR, protrftypes BIGINT[], prosrc VARCHAR, probin \
         VARCHAR, prosqlbody VARCHAR, proconfig VARCHAR[], proacl VARCHAR[]",
    ),
    relation(
        "pg_publication",
        6104,
        "oid BIGINT, pubname VARCHAR, pubowner BIGINT, puballtables BOOLEAN, pubinsert BOOLEAN, pubupdate BOOLEAN, \
         pubdelete BOOLEAN, pubtruncate BOOLEAN, pubviaroot BOOLEAN",
    ),
    relation("pg_publication_namespace", 6237, "oid BIGINT, pnpubid BIGINT, pnnspid BIGINT"),
    relation(
        "pg_publication_rel",
        6106,
        "oid BIGINT, prpubid BIGINT, prrelid BIGINT, prqual VARCHAR, prattrs SMALLINT[]",
    ),
    relation(
        "pg_publication_tables",
        12068,
        "pubname VARCHAR, schemaname VARCHAR, tablename VARCHAR, attnames VARCHAR[], rowfilter VARCHAR",
    ),
    relation(
        "pg_range",
        3541,
        "rngtypid BIGINT, rngsubtype BIGINT, rngmultitypid BIGINT, rngcollation BIGINT, rngsubopc BIGINT, \
         rngcanonical VARCHAR, rngsubdiff VARCHAR",
    ),
    relation(
        "pg_rewrite",
        2618,
        "oid BIGINT, rulename VARCHAR, ev_class BIGINT, ev_type VARCHAR, ev_enabled VARCHAR, is_instead BOOLEAN, \
         ev_qual VARCHAR, ev_action VARCHAR",
    ),
    relation(
        "pg_roles",
        12000,
        "rolname VARCHAR, rolsuper BOOLEAN, rolinherit BOOLEAN, rolcreaterole BOOLEAN, rolcreatedb BOOLEAN, \
         rolcanlogin BOOLEAN, rolreplication BOOLEAN, rolconnlimit INTEGER, rolpassword VARCHAR, rolvaliduntil \
         TIMESTAMP, rolbypassrls BOOLEAN, rolconfig VARCHAR[], oid BIGINT",
    ),
    relation("pg_rules", 12023, "schemaname VARCHAR, tablename VARCHAR, rulename VARCHAR, definition VARCHAR"),
    relation(
        "pg_seclabels",
        12099,
        "objoid BIGINT, classoid BIGINT, objsubid INTEGER, objtype VARCHAR, objnamespace BIGINT, objname VARCHAR, \
         provider VARCHAR, label VARCHAR",
    ),
    relation(
        "pg_sequence",
        2224,
        "seqrelid BIGINT, seqtypid BIGINT, seqstart BIGINT, seqincrement BIGINT, seqmax BIGINT, seqmin BIGINT, \
         seqcache BIGINT, seqcycle BOOLEAN",
    ),
    relation(
        "pg_sequences",
        12048,
        "schemaname VARCHAR, sequencename VARCHAR, sequenceowner VARCHAR, data_type VARCHAR, start_value BIGINT, \
         min_value BIGINT, max_value BIGINT, increment_by BIGINT, cycle BOOLEAN, cache_size BIGINT, last_value BIGINT",
    ),
    relation(
        "pg_settings",
        12104,
        "name VARCHAR, setting VARCHAR, unit VARCHAR, category VARCHAR, short_desc VARCHAR, extra_desc VARCHAR, \
         context VARCHAR, vartype VARCHAR, source VARCHAR, min_val VARCHAR, max_val VARCHAR, enumvals VARCHAR[], \
         boot_val VARCHAR, reset_val VARCHAR, sourcefile VARCHAR, sourceline INTEGER, pending_restart BOOLEAN",
    ),
    relation(
        "pg_shadow",
        12005,
        "usename VARCHAR, usesysid BIGINT, usecreatedb BOOLEAN, usesuper BOOLEAN, userepl BOOLEAN, usebypassrls \
         BOOLEAN, passwd VARCHAR, valuntil TIMESTAMP, useconfig VARCHAR[]",
    ),
    relation("pg_shdescription", 2396, "objoid BIGINT, classoid BIGINT, description VARCHAR"),
    relation(
        "pg_stat_activity",
        12222,
        "datid BIGINT, datname VARCHAR, pid INTEGER, leader_pid INTEGER, usesysid BIGINT, usename VARCHAR, \
         application_name VARCHAR, client_addr VARCHAR, client_hostname VARCHAR, client_port INTEGER, backend_start \
         TIMESTAMP, xact_start TIMESTAMP, query_start TIMESTAMP, state_change TIMESTAMP, wait_event_type VARCHAR, \
         wait_event VARCHAR, state VARCHAR, backend_xid BIGINT, backend_xmin BIGINT, query_id BIGINT, query VARCHAR, \
         backend_type VARCHAR",
    ),
    relation(
        "pg_stat_all_tables",
        12142,
        "relid BIGINT, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT, seq_tup_read BIGINT, idx_scan BIGINT, \
         idx_tup_fetch BIGINT, n_tup_ins BIGINT, n_tup_upd BIGINT, n_tup_del BIGINT, n_tup_hot_upd BIGINT, n_live_tup \
         BIGINT, n_dead_tup BIGINT, n_mod_since_analyze BIGINT, n_ins_since_vacuum BIGINT, last_vacuum TIMESTAMP, \
         last_autovacuum TIMESTAMP, last_analyze TIMESTAMP, last_autoanalyze TIMESTAMP, vacuum_count BIGINT, \
         autovacuum_count BIGINT, analyze_count BIGINT, autoanalyze_count BIGINT",
    ),
    relation(
        "pg_stat_database",
        12266,
        "datid BIGINT, datname VARCHAR, numbackends INTEGER, xact_commit BIGINT, xact_rollback BIGINT, blks_read \
         BIGINT, blks_hit BIGINT, tup_returned BIGINT, tup_fetched BIGINT, tup_inserted BIGINT, tup_updated BIGINT, \
         tup_deleted BIGINT, conflicts BIGINT, temp_files BIGINT, temp_bytes BIGINT, deadlocks BIGINT, \
         checksum_failures BIGINT, checksum_last_failure TIMESTAMP, blk_read_time DOUBLE, blk_write_time DOUBLE, \
         session_time DOUBLE, active_time DOUBLE, idle_in_transaction_time DOUBLE, sessions BIGINT, \
         sessions_abandoned BIGINT, sessions_fatal BIGINT, sessions_killed BIGINT, stats_reset TIMESTAMP",
    ),
    relation(
        "pg_stat_user_indexes",
        12192,
        "relid BIGINT, indexrelid BIGINT, schemaname VARCHAR, relname VARCHAR, indexrelname VARCHAR, idx_scan BIGINT, \
         idx_tup_read BIGINT, idx_tup_fetch BIGINT",
    ),
    relation(
        "pg_stat_user_tables",
        12161,
        "relid BIGINT, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT, seq_tup_read BIGINT, idx_scan BIGINT, \
         idx_tup_fetch BIGINT, n_tup_ins BIGINT, n_tup_upd BIGINT, n_tup_del BIGINT, n_tup_hot_upd BIGINT, n_live_tup \
         BIGINT, n_dead_tup BIGINT, n_mod_since_analyze BIGINT, n_ins_since_vacuum BIGINT, last_vacuum TIMESTAMP, \
         last_autovacuum TIMESTAMP, last_analyze TIMESTAMP, last_autoanalyze TIMESTAMP, vacuum_count BIGINT, \
         autovacuum_count BIGINT, analyze_count BIGINT, autoanalyze_count BIGINT",
    ),
    relation(
        "pg_statio_user_tables",
        12179,
        "relid BIGINT, schemaname VARCHAR, relname VARCHAR, heap_blks_read BIGINT, heap_blks_hit BIGINT, \
         idx_blks_read BIGINT, idx_blks_hit BIGINT, toast_blks_read BIGINT, toast_blks_hit BIGINT, tidx_blks_read \
         BIGINT, tidx_blks_hit BIGINT",
    ),
    relation(
        "pg_statistic_ext",
        3381,
        "oid BIGINT, stxrelid BIGINT, stxname VARCHAR, stxnamespace BIGINT, stxowner BIGINT, stxstattarget INTEGER, \
         stxkeys SMALLINT[], stxkind VARCHAR[], stxexprs VARCHAR",
    ),
    relation(
        "pg_stats",
        12053,
        "schemaname VARCHAR, tablename VARCHAR, attname VARCHAR, inherited BOOLEAN, null_frac FLOAT, avg_width \
         INTEGER, n_distinct FLOAT, most_common_vals VARCHAR, most_common_freqs FLOAT[], histogram_bounds VARCHAR, \
         correlation FLOAT, most_common_elems VARCHAR, most_common_elem_freqs FLOAT[], elem_count_histogram FLOAT[]",
    ),
    relation(
        "pg_subscription",
        6100,
        "oid BIGINT, subdbid BIGINT, subskiplsn VARCHAR, subname VARCHAR, subowner BIGINT, subenabled BOOLEAN, \
         subbinary BOOLEAN, substream BOOLEAN, subtwophasestate VARCHAR, subdisableonerr BOOLEAN, subconninfo \
         VARCHAR, subslotname VARCHAR, subsynccommit VARCHAR, subpublications VARCHAR[]",
    ),
    relation(
        "pg_tables",
        12033,
        "schemaname VARCHAR, tablename VARCHAR, tableowner VARCHAR, tablespace VARCHAR, hasindexes BOOLEAN, hasrules \
         BOOLEAN, hastriggers BOOLEAN, rowsecurity BOOLEAN",
    ),
    relation(
        "pg_tablespace",
        1213,
        "oid BIGINT, spcname VARCHAR, spcowner BIGINT, spcacl VARCHAR[], spcoptions VARCHAR[]",
    ),
    relation("pg_timezone_names", 12126, "name VARCHAR, abbrev VARCHAR, utc_offset INTERVAL, is_dst BOOLEAN"),
    relation(
        "pg_trigger",
        2620,
        "oid BIGINT, tgrelid BIGINT, tgparentid BIGINT, tgname VARCHAR, tgfoid BIGINT, tgtype SMALLINT, tgenabled \
         VARCHAR, tgisinternal BOOLEAN, tgconstrrelid BIGINT, tgconstrindid BIGINT, tgconstraint BIGINT, tgdeferrable \
         BOOLEAN, tginitdeferred BOOLEAN, tgnargs SMALLINT, tgattr SMALLINT[], tgargs BLOB, tgqual VARCHAR, \
         tgoldtable VARCHAR, tgnewtable VARCHAR",
    ),
    relation(
        "pg_ts_config",
        3602,
        "oid BIGINT, cfgname VARCHAR, cfgnamespace BIGINT, cfgowner BIGINT, cfgparser BIGINT",
    ),
    relation(
        "pg_ts_dict",
        3600,
        "oid BIGINT, dictname VARCHAR, dictnamespace BIGINT, dictowner BIGINT, dicttemplate BIGINT, dictinitoption \
         VARCHAR",
    ),
    relation(
        "pg_type",
        1247,
        "oid BIGINT, typname VARCHAR, typnamespace BIGINT, typowner BIGINT, typlen SMALLINT, typbyval BOOLEAN, \
         typtype VARCHAR, typcategory VARCHAR, typispreferred BOOLEAN, typisdefined BOOLEAN, typdelim VARCHAR, \
         typrelid BIGINT, typsubscript VARCHAR, typelem BIGINT, typarray BIGINT, typinput VARCHAR, typoutput VARCHAR, \
         typreceive VARCHAR, typsend VARCHAR, typmodin VARCHAR, typmodout VARCHAR, typanalyze VARCHAR, typalign \
         VARCHAR, typstorage VARCHAR, typnotnull BOOLEAN, typbasetype BIGINT, typtypmod INTEGER, typndims INTEGER, \
         typcollation BIGINT, typdefaultbin VARCHAR, typdefault VARCHAR, typacl VARCHAR[]",
    ),
    relation(
        "pg_user",
        12014,
        "usename VARCHAR, usesysid BIGINT, usecreatedb BOOLEAN, usesuper BOOLEAN, userepl BOOLEAN, usebypassrls \
         BOOLEAN, passwd VARCHAR, valuntil TIMESTAMP, useconfig VARCHAR[]",
    ),
    relation(
        "pg_user_mappings",
        12327,
        "umid BIGINT, srvid BIGINT, srvname VARCHAR, umuser BIGINT, usename VARCHAR, umoptions VARCHAR[]",
    ),
    relation("pg_views", 12028, "schemaname VARCHAR, viewname VARCHAR, viewowner VARCHAR, definition VARCHAR"),
];
