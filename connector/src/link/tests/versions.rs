//! Streams of another version.

use super::*;

/// Who asks for an explanation of a connector that knows none must not have his request carried out.
#[tokio::test]
async fn a_stream_of_an_unknown_kind_is_refused_as_another_version() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let link = rig.annas_link().await;
    let (mut send, mut recv) = link.open_bi().await.unwrap();
    let mut header = StreamHeader {
        session_id: session.id().to_string(),
        kind: None,
    }
    .encode_to_vec();
    // An empty message as the field 2047.
    header.extend([0xfa, 0x7f, 0]);
    let length = u32::try_from(header.len()).unwrap();
    send.write_all(&length.to_be_bytes()).await.unwrap();
    send.write_all(&header).await.unwrap();
    send.write_all(b"DELETE / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(reset(&mut recv).await, Reason::VersionUnsupported);
}
