// A Hive metastore for tests: the server as Apache ships it, on the loopback interface, over object stores that are not
// there. Started by `hms` beside this file, with the port as its only argument.

import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javassist.ClassPool;
import javassist.CtClass;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hive.metastore.HiveMetaStore;
import org.apache.hadoop.hive.metastore.HiveMetaStoreClient;
import org.apache.hadoop.hive.metastore.api.Database;
import org.apache.hadoop.hive.metastore.api.FieldSchema;
import org.apache.hadoop.hive.metastore.api.ForeignKeysRequest;
import org.apache.hadoop.hive.metastore.api.Partition;
import org.apache.hadoop.hive.metastore.api.PrimaryKeysRequest;
import org.apache.hadoop.hive.metastore.api.SerDeInfo;
import org.apache.hadoop.hive.metastore.api.StorageDescriptor;
import org.apache.hadoop.hive.metastore.api.Table;
import org.apache.hadoop.hive.metastore.conf.MetastoreConf;
import org.apache.hadoop.hive.metastore.utils.JavaUtils;
import org.apache.hadoop.util.Progressable;

public class Metastore {
  /** Given as system properties, where the metastore looks for each of its settings. */
  static final Map<String, String> SETTINGS = Map.of(
      "javax.jdo.option.ConnectionURL", "jdbc:derby:;databaseName=catalog;create=true",
      "javax.jdo.option.ConnectionDriverName", "org.apache.derby.jdbc.EmbeddedDriver",
      "datanucleus.schema.autoCreateAll", "true",
      "metastore.warehouse.dir", new File("warehouse").toURI().toString(),
      "metastore.schema.verification", "false",
      "hive.metastore.schema.verification", "false",
      "metastore.event.db.notification.api.auth", "false",
      "metastore.task.threads.always", "org.apache.hadoop.hive.metastore.events.EventCleanerTask",
      // The one it has by default is in a jar of Hive's query engine.
      "metastore.expression.proxy", "org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy");

  public static void main(String[] arguments) throws Throwable {
    SETTINGS.forEach(System::setProperty);
    listenOnLoopback();
    makeSchema();
    System.out.println("listening");
    HiveMetaStore.main(new String[] {"-p", arguments[0]});
  }

  /** 3.1.3 has a setting for the address and ignores it: the socket is opened for none, which means all. */
  static void listenOnLoopback() throws Exception {
    CtClass sockets = ClassPool.getDefault().get("org.apache.hadoop.hive.metastore.utils.SecurityUtils");
    sockets.getDeclaredMethod("getServerSocket").insertBefore("$1 = \"127.0.0.1\";");
    sockets.toClass(JavaUtils.class);
  }

  /** Its tables are made at first use, where two first requests trip over each other: uses each once, in this process. */
  static void makeSchema() throws Exception {
    HiveMetaStoreClient client = new HiveMetaStoreClient(MetastoreConf.newMetastoreConf());
    client.createDatabase(new Database("first", null, "s3://first/", new HashMap<>()));
    List<FieldSchema> keys = new ArrayList<>(List.of(new FieldSchema("p", "string", null)));
    Table table = new Table("t", "first", "nobody", 0, 0, 0, storage(), keys,
        new HashMap<>(Map.of("EXTERNAL", "TRUE")), null, null, "EXTERNAL_TABLE");
    table.setCatName("hive");
    client.createTable(table);
    List<String> values = new ArrayList<>(List.of("1"));
    Partition partition = new Partition(values, "first", "t", 0, 0, storage(), new HashMap<>());
    partition.setCatName("hive");
    client.add_partitions(new ArrayList<>(List.of(partition)));
    client.listPartitionNames("first", "t", (short) -1);
    client.getPartitionsByNames("first", "t", List.of("p=1"));
    client.alter_partitions("first", "t", new ArrayList<>(List.of(partition)));
    client.alter_table("first", "t", table);
    client.getPrimaryKeys(new PrimaryKeysRequest("first", "t"));
    client.getForeignKeys(new ForeignKeysRequest(null, null, "first", "t"));
    client.dropPartition("first", "t", values, false);
    client.dropTable("first", "t", false, true);
    client.dropDatabase("first", false, true);
    client.close();
  }

  static StorageDescriptor storage() {
    SerDeInfo serde = new SerDeInfo(null, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", new HashMap<>());
    return new StorageDescriptor(new ArrayList<>(List.of(new FieldSchema("c", "int", null))), "s3://first/t",
        "org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        false, -1, serde, new ArrayList<>(), new ArrayList<>(), new HashMap<>());
  }

  /** An object store where every path is a directory that exists and is empty, and to which nothing can be written. */
  public static class NoStore extends FileSystem {
    private URI uri;

    @Override
    public void initialize(URI uri, Configuration settings) throws IOException {
      super.initialize(uri, settings);
      this.uri = URI.create(uri.getScheme() + "://" + uri.getAuthority());
    }

    @Override public String getScheme() { return "s3"; }
    @Override public URI getUri() { return uri; }
    @Override protected void checkPath(Path path) {}
    @Override public Path getWorkingDirectory() { return new Path(uri + "/"); }
    @Override public void setWorkingDirectory(Path path) {}
    @Override public FileStatus getFileStatus(Path path) { return new FileStatus(0, true, 1, 1, 0, path); }
    @Override public FileStatus[] listStatus(Path path) { return new FileStatus[0]; }
    @Override public boolean mkdirs(Path path, FsPermission permission) { return true; }

    /** Printed, and `hms` fails for it: nobody here may ask for that. */
    @Override
    public boolean delete(Path path, boolean recursive) {
      System.out.println("asked to delete " + path);
      return true;
    }

    @Override
    public boolean rename(Path from, Path to) {
      System.out.println("asked to rename " + from + " to " + to);
      return true;
    }

    @Override
    public FSDataInputStream open(Path path, int buffer) throws IOException {
      throw new FileNotFoundException(path.toString());
    }

    @Override
    public FSDataOutputStream create(Path path, FsPermission permission, boolean overwrite, int buffer,
        short replication, long block, Progressable progress) throws IOException {
      throw new IOException("nothing is written to " + path);
    }

    @Override
    public FSDataOutputStream append(Path path, int buffer, Progressable progress) throws IOException {
      throw new IOException("nothing is written to " + path);
    }
  }
}
